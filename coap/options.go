package coap

import (
	"iter"
	"strings"
)

// An Option is one option instance of a message (RFC 7252, Section 3.1).
type Option struct {
	ID    OptionID
	Value []byte
}

// Options are a message's options, in ascending order of their numbers;
// instances of one number keep the order in which they stand on the wire.
// Methods that read do not allocate unless they say so. Options are not safe
// for concurrent change.
type Options []Option

// search returns the index of the first option with a number of at least id.
func (o Options) search(id OptionID) int {
	lo, hi := 0, len(o)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if o[mid].ID < id {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Get returns the value of the first instance of an option. The value is not
// copied.
func (o Options) Get(id OptionID) ([]byte, bool) {
	for i := range o {
		if o[i].ID == id {
			return o[i].Value, true
		}
		if o[i].ID > id {
			break
		}
	}
	return nil, false
}

// Has reports whether an option is present.
func (o Options) Has(id OptionID) bool {
	_, ok := o.Get(id)
	return ok
}

// Uint returns the value of an option of uint format (RFC 7252, Section 3.2).
// It is false if the option is absent or longer than four bytes.
func (o Options) Uint(id OptionID) (uint32, bool) {
	v, ok := o.Get(id)
	if !ok || len(v) > 4 {
		return 0, false
	}
	return decodeUint(v), true
}

//spec:7252-3.2-1
func decodeUint(v []byte) uint32 {
	var n uint32
	for _, b := range v {
		n = n<<8 | uint32(b)
	}
	return n
}

// All yields the values of every instance of an option, in order.
func (o Options) All(id OptionID) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := o.search(id); i < len(o) && o[i].ID == id; i++ {
			if !yield(o[i].Value) {
				return
			}
		}
	}
}

// Path returns the Uri-Path as an absolute path, "/" if there is none. A
// segment that holds a slash or percent sign is percent-encoded in those
// bytes, so that two different lists of segments never give one path
// (RFC 7252, Section 6.5). It allocates; see AppendPath.
func (o Options) Path() string { return string(o.AppendPath(nil)) }

// AppendPath appends what Path returns to dst.
func (o Options) AppendPath(dst []byte) []byte {
	n := len(dst)
	for i := o.search(URIPath); i < len(o) && o[i].ID == URIPath; i++ {
		dst = append(dst, '/')
		for _, c := range o[i].Value {
			if c == '/' || c == '%' {
				dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
				continue
			}
			dst = append(dst, c)
		}
	}
	if len(dst) == n {
		dst = append(dst, '/')
	}
	return dst
}

// Queries returns the Uri-Query arguments, in order. It allocates.
func (o Options) Queries() []string {
	var q []string
	for v := range o.All(URIQuery) {
		q = append(q, string(v))
	}
	return q
}

// Query returns the value of the first Uri-Query argument "name=value" or,
// empty, of "name". It allocates.
func (o Options) Query(name string) (string, bool) {
	for v := range o.All(URIQuery) {
		k, val, _ := strings.Cut(string(v), "=")
		if k == name {
			return val, true
		}
	}
	return "", false
}

// Add inserts an instance of an option behind those of the same number. The
// value is not copied.
func (o *Options) Add(id OptionID, value []byte) {
	s := *o
	i := len(s)
	for i > 0 && s[i-1].ID > id {
		i--
	}
	s = append(s, Option{})
	copy(s[i+1:], s[i:])
	s[i] = Option{ID: id, Value: value}
	*o = s
}

// AddString inserts an instance of an option of string format.
func (o *Options) AddString(id OptionID, value string) { o.Add(id, []byte(value)) }

// AddUint inserts an instance of an option of uint format, in as few bytes as
// the value needs (RFC 7252, Section 3.2).
func (o *Options) AddUint(id OptionID, value uint32) { o.Add(id, appendUint(nil, value)) }

// smallUints holds the one-byte encodings, so that short values need no
// allocation.
var smallUints = func() (b [256]byte) {
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

func appendUint(dst []byte, v uint32) []byte {
	switch {
	case v == 0:
		return dst
	case v < 1<<8:
		if dst == nil {
			return smallUints[v : v+1 : v+1]
		}
		return append(dst, byte(v))
	case v < 1<<16:
		return append(dst, byte(v>>8), byte(v))
	case v < 1<<24:
		return append(dst, byte(v>>16), byte(v>>8), byte(v))
	}
	return append(dst, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// Set replaces every instance of an option by one. The value is not copied.
func (o *Options) Set(id OptionID, value []byte) {
	o.Remove(id)
	o.Add(id, value)
}

// SetUint replaces every instance of an option by one of uint format.
func (o *Options) SetUint(id OptionID, value uint32) { o.Set(id, appendUint(nil, value)) }

// SetPath replaces the Uri-Path by the segments of a path. Percent-encoded
// bytes are decoded; "" and "/" give no segment (RFC 7252, Section 6.4).
func (o *Options) SetPath(path string) {
	o.Remove(URIPath)
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return
	}
	for segment := range strings.SplitSeq(path, "/") {
		o.Add(URIPath, unescape(segment))
	}
}

// AddQuery adds a Uri-Query argument.
func (o *Options) AddQuery(query string) { o.AddString(URIQuery, query) }

// Remove deletes every instance of an option.
func (o *Options) Remove(id OptionID) {
	s := *o
	i := s.search(id)
	j := i
	for j < len(s) && s[j].ID == id {
		j++
	}
	if i == j {
		return
	}
	*o = append(s[:i], s[j:]...)
}

// Clone returns a deep copy of the options.
func (o Options) Clone() Options {
	if o == nil {
		return nil
	}
	n := 0
	for i := range o {
		n += len(o[i].Value)
	}
	c, buf := make(Options, len(o)), make([]byte, 0, n)
	for i := range o {
		at := len(buf)
		buf = append(buf, o[i].Value...)
		c[i] = Option{ID: o[i].ID, Value: buf[at:len(buf):len(buf)]}
	}
	return c
}

func unescape(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return b
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
