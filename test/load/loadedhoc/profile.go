package loadedhoc

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

// profile writes profiles of the turns over the network. CPU is one file for each turn.
type profile struct {
	dir  string
	turn int
	file *os.File
}

func newProfile(dir string) (*profile, error) {
	if dir == "" {
		return &profile{}, nil
	}
	runtime.SetMutexProfileFraction(10)
	runtime.SetBlockProfileRate(10_000)
	return &profile{dir: dir}, os.MkdirAll(dir, 0o755)
}

func (p *profile) start(counts bool) {
	if p.dir == "" || !counts {
		return
	}
	p.turn++
	f, err := os.Create(filepath.Join(p.dir, "cpu"+string(rune('a'+p.turn%26))+".prof"))
	if err == nil && pprof.StartCPUProfile(f) == nil {
		p.file = f
	}
}

func (p *profile) stop() {
	if p.file != nil {
		pprof.StopCPUProfile()
		_ = p.file.Close()
		p.file = nil
	}
}

// write writes the profiles of the whole run.
func (p *profile) write() error {
	if p.dir == "" {
		return nil
	}
	for _, name := range []string{"mutex", "block", "allocs"} {
		f, err := os.Create(filepath.Join(p.dir, name+".prof"))
		if err != nil {
			return err
		}
		if err := pprof.Lookup(name).WriteTo(f, 0); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
