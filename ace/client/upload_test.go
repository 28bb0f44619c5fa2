package client

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

//spec:9203-4.1-3
func TestUploadErrors(t *testing.T) {
	lost := errors.New("lost")
	answer := func(code oscore.Code, payload []byte) func(string, oscore.Message, func() (oscore.Message, error)) (oscore.Message, error) {
		return func(address string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
			if address != rsAddress {
				return next()
			}
			r, err := next()
			if err != nil || code == 0 {
				return r, lost
			}
			return oscore.Message{Code: code, Payload: payload}, nil
		}
	}
	var peer *ace.PeerError
	var refused *UnauthorizedError
	hints := (&ace.CreationHints{AS: asURI}).Append(nil)
	for name, test := range map[string]struct {
		tamper func(string, oscore.Message, func() (oscore.Message, error)) (oscore.Message, error)
		check  func(error) bool
	}{
		"4.00": {answer(128, nil), func(err error) bool { return errors.As(err, &peer) && peer.Code == 128 }},
		"4.01 with hints": {answer(129, hints), func(err error) bool {
			return errors.As(err, &refused) && refused.Hints.AS == asURI && !refused.Protected
		}},
		"4.01":            {answer(129, nil), func(err error) bool { return errors.As(err, &refused) && refused.Hints == nil }},
		"5.03":            {answer(163, nil), func(err error) bool { return errors.As(err, &peer) && peer.Code == 163 }},
		"2.01 of nothing": {answer(65, nil), func(err error) bool { return errors.Is(err, oscoreprofile.ErrProfile) }},
		"2.05":            {answer(69, []byte{0xa0}), func(err error) bool { return errors.As(err, &peer) }},
		"no answer":       {answer(0, nil), func(err error) bool { return errors.Is(err, lost) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.client()
			a, err := c.Token(t.Context(), Request{Audience: audience, Scope: readScope})
			if err != nil {
				t.Fatal(err)
			}
			w.tamper = test.tamper
			if s, err := c.Upload(t.Context(), rsAddress, a); s != nil || !test.check(err) {
				t.Errorf("Upload = %v, %v", s, err)
			}
			if n := w.idsInUse(); n != 0 {
				t.Errorf("%d identifiers are still in use", n)
			}
			w.tamper = nil
			s, err := c.Upload(t.Context(), rsAddress, a)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Do(t.Context(), getTemp); err != nil {
				t.Errorf("27 the retried upload: %v", err)
			}
			first, err1 := ace.ParseAuthzInfoRequest(w.posts[0].Payload)
			second, err2 := ace.ParseAuthzInfoRequest(w.posts[1].Payload)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			if string(first.Nonce1) == string(second.Nonce1) {
				t.Errorf("33 N1 = %x is sent for two exchanges", first.Nonce1)
			}
		})
	}
}

// TestEqualIDs is behaviour 33.
func TestEqualIDs(t *testing.T) {
	w := newWorld(t, nil)
	w.tamper = func(address string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		if address != rsAddress {
			return next()
		}
		r, err := ace.ParseAuthzInfoRequest(m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		answer := &ace.AuthzInfoResponse{Nonce2: make([]byte, 8), ServerRecipientID: r.ClientRecipientID}
		return oscore.Message{Code: codeCreated, Payload: answer.Append(nil)}, nil
	}
	s, err := w.client().Open(t.Context(), rsAddress, Request{Audience: audience, Scope: readScope})
	if s != nil || !errors.Is(err, oscoreprofile.ErrEqualIDs) {
		t.Errorf("33 Open = %v, %v, want ErrEqualIDs", s, err)
	}
	if n := w.idsInUse(); n != 0 {
		t.Errorf("%d identifiers are still in use", n)
	}
}

// TestOlderRS is behaviour 16: an RS that answers 2.04.
func TestOlderRS(t *testing.T) {
	w := newWorld(t, nil)
	w.tamper = func(address string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		r, err := next()
		if address == rsAddress && r.Code == codeCreated {
			r.Code = codeChanged
		}
		return r, err
	}
	s := w.open()
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Errorf("16 %v", err)
	}
}

func TestNoMoreIDs(t *testing.T) {
	w := newWorld(t, nil)
	ids, err := idalloc.New(idalloc.Config{
		Now: w.clock, Lengths: []int{1}, Reserved: []idalloc.Range{{First: "\x01", Last: "\xff"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ids.Allocate(idalloc.Holder{}); err != nil {
		t.Fatal(err)
	}
	w.cfg.IDs = ids
	if _, err := w.client().Open(t.Context(), rsAddress, Request{Audience: audience, Scope: readScope}); !errors.Is(err, idalloc.ErrExhausted) {
		t.Errorf("Open = %v, want ErrExhausted", err)
	}
	if len(w.posts) != 0 {
		t.Error("the token was posted")
	}
}
