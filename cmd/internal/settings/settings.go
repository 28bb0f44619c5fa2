// Package settings reads and writes the files of the commands: configuration
// and credentials, in TOML. It is strict: a key that nobody knows is an error
// that names the line, for a misspelt limit must not go unnoticed.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"
)

// maxFile bounds a file in bytes.
const maxFile = 1 << 20

// Parse decodes the TOML text b, which comes from the file called name, into
// v. The error names the file, the line and the key.
func Parse(name string, b []byte, v any) error {
	if len(b) > maxFile {
		return fmt.Errorf("%s: longer than %d bytes", name, maxFile)
	}
	d := toml.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		e := unknown.Errors[0]
		line, _ := e.Position()
		return fmt.Errorf("%s:%d: unknown key %q", name, line, keyName(e.Key()))
	case errors.As(err, &wrong):
		line, column := wrong.Position()
		return fmt.Errorf("%s:%d:%d: %s", name, line, column, wrong.Error())
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func keyName(key toml.Key) string {
	var b bytes.Buffer
	for i, part := range key {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return b.String()
}

// Read decodes the file at path, which holds keys, into v. It refuses a file
// that everybody may read or write.
func Read(path string, v any) error {
	b, mode, err := read(path)
	if err != nil {
		return err
	}
	if mode&0o007 != 0 {
		return fmt.Errorf("%s holds keys, and everybody may read or write it (mode %#o): chmod it 600", path, mode)
	}
	return Parse(path, b, v)
}

// Text reads the file at path, for Parse, and its permissions. It reads no more than
// Parse takes, and nothing but a file: a pipe would have it wait.
func Text(path string) (b []byte, mode fs.FileMode, err error) {
	if info, err := os.Stat(path); err != nil {
		return nil, 0, err
	} else if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a file", path)
	}
	return read(path)
}

func read(path string) (b []byte, mode fs.FileMode, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err // an *fs.PathError says what failed
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	b, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	return b, info.Mode().Perm(), err
}

// Marshal encodes v as TOML.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteSecret writes a new file at path that only its owner can read, with
// header, a comment, above the encoded v. It refuses to replace a file.
func WriteSecret(path, header string, v any) error {
	b, err := Marshal(v)
	if err != nil {
		return err
	}
	return WriteNew(path, append([]byte(header), b...))
}

// WriteNew writes a new file at path with mode 0600, durably. It refuses to
// replace a file, for what it would replace are keys.
func WriteNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; move it away first", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path) // half a file would only be in the way
		return err
	}
	return SyncFolder(path)
}

// SyncFolder makes the name of the file at path durable.
func SyncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Beside returns path as seen from the folder of the file at base, so that a
// configuration may be moved together with what it names.
func Beside(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(base), path)
}
