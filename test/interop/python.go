package interop

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// StartPython starts peer.py of a peer's folder with the Python that python.sh has
// set up, and returns what it says after "ready".
func StartPython(ctx context.Context, dir string, args ...string) (*Process, string, error) {
	args = append([]string{"-B", filepath.Join(dir, "peer.py")}, args...)
	p, err := Start(ctx, false, filepath.Join(dir, "..", ".cache", "venv", "bin", "python"), args...)
	if err != nil {
		return nil, "", err
	}
	line, err := p.Line(ctx)
	said, ready := strings.CutPrefix(line, "ready")
	if err == nil && !ready {
		err = fmt.Errorf("%s says %s", filepath.Base(dir), line)
	}
	if err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, strings.TrimSpace(said), nil
}
