package edhoc

import (
	"errors"
	"reflect"
	"testing"
)

// A message with several faults fails at the step that comes first.
//
//spec:9528-5.1-2
func TestOrderOfSteps(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	bad := []EADItem{{Label: 9, Critical: true}}
	offCurve := make([]byte, 31)
	for _, c := range []struct {
		name    string
		m       message1
		section string
		code    ErrCode
	}{
		{"all", message1{method: 0, selected: 0, gX: offCurve, ead1: bad}, "3.2", 1},
		{"without the method", message1{method: 3, selected: 0, gX: offCurve, ead1: bad}, "6.3", 2},
		{"without the suite", message1{method: 3, selected: 2, gX: offCurve, ead1: bad}, "5.2.3", 1},
		{"EAD only", message1{method: 3, selected: 2, gX: testKey(t, P256, true, "x").Public().x, ead1: bad}, "3.8", 1},
	} {
		_, err := p.r.ProcessMessage1(c.m.append(nil))
		var e *Error
		if !errors.As(err, &e) || e.Section != c.section || e.Code != c.code {
			t.Errorf("%s: %v, want code %d of Section %s", c.name, err, c.code, c.section)
		}
		_, err = p.r.ProcessMessage1(append(c.m.append(nil), 0x80)) // and malformed
		if !errors.As(err, &e) || e.Section != "5.2.1" {
			t.Errorf("%s, malformed: %v", c.name, err)
		}
	}
	// A message_3 that does not decrypt shows nothing of itself: the error is the same
	// whatever is wrong behind.
	f := runFlow(t, p, 6)
	msg3 := append([]byte{}, f.msg3...)
	msg3[len(msg3)-1] ^= 1
	_, err := f.a3.ProcessMessage3(msg3)
	var e *Error
	if !errors.As(err, &e) || e.Reason != "message_3 does not verify" {
		t.Errorf("got %v", err)
	}
}

// While the next message is awaited there is no way to make an error message: the
// states of waiting can be discarded, and that is all.
//
//spec:9528-5.1-3
func TestNoErrorWhileWaiting(t *testing.T) {
	for _, v := range []any{new(AwaitMessage2), new(AwaitMessage3), new(SentMessage3)} {
		typ := reflect.TypeOf(v)
		if _, ok := typ.MethodByName("Refuse"); ok {
			t.Errorf("%v can refuse", typ)
		}
		if _, ok := typ.MethodByName("Discard"); !ok {
			t.Errorf("%v cannot be discarded", typ)
		}
	}
}
