package ace

import (
	"slices"
	"strconv"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/secret"
)

const (
	maxMessage = 1 << 16 // bytes of a message
	maxFields  = 64      // members of a map
)

// An other is a member of a map that this package does not know.
type other struct {
	key  int64 // if !text
	text bool
	pair []byte // key and value, encoded
}

// fields reads a CBOR map member by member, in the order of the deterministic
// encoding, in which each key is there once.
type fields struct {
	key  int64 // of the member that next found; textKey if it is a text
	s    cborseq.String
	pair cborseq.String // from key on
	left int
	seen int
	ok   bool
}

// textKey is none of the registered keys.
const textKey = -1 << 63

// openFields reads one whole map, of any definite-length encoding, without
// keeping b.
func openFields(b []byte) fields {
	if len(b) > maxMessage {
		return fields{}
	}
	n, err := cborseq.Normalize(b)
	if err != nil {
		return fields{}
	}
	return nestedFields(slices.Clone(n))
}

// nestedFields reads one whole map out of what openFields has normalized.
func nestedFields(b []byte) fields {
	f := fields{s: b}
	f.ok = f.s.ReadMap(&f.left) && f.left <= maxFields
	return f
}

// next finds the next member, whose value f.s then begins with.
func (f *fields) next() bool {
	if !f.ok || f.left == 0 {
		return false
	}
	f.left--
	f.seen++
	f.pair = f.s
	if f.s.ReadInt(&f.key) {
		return true
	}
	var name string
	f.key = textKey
	f.ok = f.s.ReadText(&name)
	return f.ok
}

// end reports whether the whole map was read. Nothing stands behind it: it was one
// item.
func (f *fields) end() bool { return f.ok && f.left == 0 }

// malformed says which member ended the reading.
func (f *fields) malformed(section, message string) *Error {
	switch {
	case f.ok, f.seen == 0:
		return malformed(section, message)
	case f.key == textKey:
		return malformed(section, message+": member with a text key")
	}
	return malformed(section, message+": member "+strconv.FormatInt(f.key, 10))
}

// keep takes a member that is not known.
func (f *fields) keep(others *[]other) bool {
	major, _ := f.pair.PeekMajor()
	if !f.s.Skip() {
		return false
	}
	*others = append(*others, other{
		key:  f.key,
		text: major == cborseq.Text,
		pair: f.pair[:len(f.pair)-len(f.s)],
	})
	return true
}

// nested reads a map as a value.
func (f *fields) nested() fields {
	var raw []byte
	if !f.s.ReadRaw(&raw) {
		return fields{}
	}
	return nestedFields(raw)
}

func (f *fields) readText(out *string) bool { return f.s.ReadText(out) && *out != "" }

// readSized reads a byte string of least to most bytes.
func (f *fields) readSized(out *[]byte, least, most int) bool {
	return f.s.ReadBytes(out) && len(*out) >= least && len(*out) <= most
}

func (f *fields) readSecret(out *secret.Bytes) bool {
	return f.readSized((*[]byte)(out), 1, maxMessage)
}

// readCode reads an integer of a registry in which 0 is not assigned.
func readCode[T ~int64](f *fields, out *T) bool {
	var v int64
	ok := f.s.ReadInt(&v)
	*out = T(v)
	return ok && v != 0
}

// fieldWriter writes a map in the order in which key is called, which is that of
// the deterministic encoding, with the unknown members in their places.
type fieldWriter struct {
	b      []byte
	head   int // where the head of the map stands
	n      int
	others []other
}

func writeFields(dst []byte, others []other) fieldWriter {
	return fieldWriter{b: append(dst, 0), head: len(dst), others: others}
}

// key begins the member k; its value is appended to w.b next.
func (w *fieldWriter) key(k int64) {
	for len(w.others) > 0 && !w.others[0].text && before(w.others[0].key, k) {
		w.other()
	}
	w.n++
	w.b = cborseq.AppendInt(w.b, k)
}

func (w *fieldWriter) other() {
	w.n++
	w.b = append(w.b, w.others[0].pair...)
	w.others = w.others[1:]
}

// end gives the finished map behind dst.
func (w *fieldWriter) end() []byte {
	for len(w.others) > 0 {
		w.other()
	}
	var room [3]byte
	head := cborseq.AppendMap(room[:0], w.n)
	return slices.Replace(w.b, w.head, w.head+1, head...)
}

func (w *fieldWriter) text(k int64, v string) {
	if v != "" {
		w.key(k)
		w.b = cborseq.AppendText(w.b, v)
	}
}

func (w *fieldWriter) bytes(k int64, v []byte) {
	if v != nil {
		w.key(k)
		w.b = cborseq.AppendBytes(w.b, v)
	}
}

// int writes a number that is there if it is not zero.
func (w *fieldWriter) int(k, v int64) {
	if v != 0 {
		w.anyInt(k, v)
	}
}

func (w *fieldWriter) anyInt(k, v int64) {
	w.key(k)
	w.b = cborseq.AppendInt(w.b, v)
}

// raw writes a value that is encoded already.
func (w *fieldWriter) raw(k int64, v []byte) {
	w.key(k)
	w.b = append(w.b, v...)
}

// before orders keys as their encodings: negative integers come last.
func before(a, b int64) bool {
	if (a < 0) != (b < 0) {
		return b < 0
	}
	if a < 0 {
		return a > b
	}
	return a < b
}
