package coap

import (
	"bytes"
	"testing"
)

func TestOptionsOrder(t *testing.T) {
	var o Options
	o.AddUint(MaxAge, 60)
	o.SetPath("/a/b%2Fc")
	o.AddUint(Observe, 0)
	o.AddQuery("x=1")
	o.Add(URIPath, []byte("d"))
	o.Add(ETag, []byte{1})
	var ids []OptionID
	for _, opt := range o {
		ids = append(ids, opt.ID)
	}
	want := []OptionID{ETag, Observe, URIPath, URIPath, URIPath, MaxAge, URIQuery}
	if len(ids) != len(want) {
		t.Fatalf("got %v, want %v", ids, want)
	}
	for i := range ids {
		if ids[i] != want[i] {
			t.Fatalf("got %v, want %v", ids, want)
		}
	}
	if got, want := o.Path(), "/a/b%2Fc/d"; got != want {
		t.Errorf("Path: got %q, want %q", got, want)
	}
	if v, ok := o.Query("x"); v != "1" || !ok {
		t.Errorf("Query: got %q %t", v, ok)
	}
	c := o.Clone()
	o.Remove(URIPath)
	if o.Path() != "/" || c.Path() != "/a/b%2Fc/d" {
		t.Errorf("Remove: got %q and %q", o.Path(), c.Path())
	}
	o.Remove(URIPath)
	if o.Has(URIPath) || !o.Has(URIQuery) {
		t.Error("Remove took the wrong option")
	}
}

func TestOptionsUint(t *testing.T) {
	for _, tt := range []struct {
		v    uint32
		want []byte
	}{{0, nil}, {1, []byte{1}}, {255, []byte{255}}, {256, []byte{1, 0}}, {1 << 16, []byte{1, 0, 0}}, {1 << 24, []byte{1, 0, 0, 0}}} {
		var o Options
		o.SetUint(MaxAge, tt.v)
		b, _ := o.Get(MaxAge)
		if !bytes.Equal(b, tt.want) {
			t.Errorf("%d: got %x, want %x", tt.v, b, tt.want)
		}
		if v, ok := o.Uint(MaxAge); v != tt.v || !ok {
			t.Errorf("%d: read back %d %t", tt.v, v, ok)
		}
	}
	//spec:7252-3.2-1
	o := Options{{MaxAge, []byte{0, 0, 7}}}
	if v, ok := o.Uint(MaxAge); v != 7 || !ok {
		t.Errorf("leading zeros: got %d %t", v, ok)
	}
	o = Options{{MaxAge, make([]byte, 5)}}
	if _, ok := o.Uint(MaxAge); ok {
		t.Error("five bytes accepted")
	}
}

func TestOptionsReadAllocates(t *testing.T) {
	var o Options
	o.SetPath("/a/b/c")
	o.AddQuery("q")
	o.AddUint(Observe, 70000)
	var buf [64]byte
	n := testing.AllocsPerRun(100, func() {
		o.Get(URIPath)
		o.Uint(Observe)
		for v := range o.All(URIPath) {
			_ = v
		}
		_ = o.AppendPath(buf[:0])
	})
	if n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestCodeString(t *testing.T) {
	for c, want := range map[Code]string{GET: "GET", IPATCH: "iPATCH", 31: "0.31", NotFound: "4.04 Not Found", Continue: "2.31 Continue", 0xe1: "7.01", Empty: "Empty"} {
		if got := c.String(); got != want {
			t.Errorf("%d: got %q, want %q", uint8(c), got, want)
		}
	}
}
