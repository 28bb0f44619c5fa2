package oscore

import (
	"testing"
)

// TestDiscard: a discarded association does nothing any more, in whatever state it was.
func TestDiscard(t *testing.T) {
	for _, mode := range []B2Mode{B2Off, B2Allowed, B2Required} {
		told := 0
		c, s := b2Pair(t, mode, mode, func(cfg *Config) {
			cfg.OnReplaced = func(_, new *Context) {
				if new == nil {
					told++
				}
			}
		})
		var table Contexts
		mustAdd(t, &table, s)
		_, x, y, _ := retried(t, c, s, register)
		answer := respond(t, y, notice)
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			c.Discard()
			s.Discard()
		}
		if told != 2 {
			t.Errorf("OnReplaced was told %d times, want 2", told)
		}
		if c.Current() != nil || s.Current() != nil {
			t.Error("there is a context")
		}
		if p, _, err := c.ProtectRequest(getRequest); err != ErrDiscarded {
			t.Errorf("ProtectRequest = %v, want %v", err, ErrDiscarded)
		} else if _, err := p.Message(); err != ErrUnprotected {
			t.Errorf("Message = %v, want %v", err, ErrUnprotected)
		}
		if a, _, exchange, err := table.VerifyRequest(wire(t, p)); err == nil || a != nil || exchange != nil {
			t.Error("VerifyRequest of a discarded association = nil error")
		}
		if _, err := y.ProtectResponse(notice); err != ErrDiscarded {
			t.Errorf("ProtectResponse = %v, want %v", err, ErrDiscarded)
		}
		if _, err := x.VerifyResponse(answer); err != ErrDiscarded {
			t.Errorf("VerifyResponse = %v, want %v", err, ErrDiscarded)
		}
		if err := c.Rederive(); err != ErrDiscarded {
			t.Errorf("Rederive = %v, want %v", err, ErrDiscarded)
		}
		if _, err := c.Suspend(); err != ErrDiscarded {
			t.Errorf("Suspend = %v, want %v", err, ErrDiscarded)
		}
	}
}

// TestCompact: keys at rest come back with the next use.
func TestCompact(t *testing.T) {
	client, server := peer(t, "secret", "c", "s", nil)
	table := &tableVerifier{Contexts: &Contexts{}}
	mustAdd(t, table.Contexts, server)
	for range 3 {
		roundTrip(t, client, table)
		table.Compact()
		if server.Current().keys.live.Load() == nil {
			t.Error("keys in use are at rest")
		}
		table.Compact()
		if server.Current().keys.live.Load() != nil {
			t.Error("idle keys are not at rest")
		}
	}
	server.Discard()
	table.Compact()
}

func TestAssociationIdentity(t *testing.T) {
	a := mustAssociation(t, Config{Params: testParams(), Subject: "sensor 1"})
	if got := a.Subject(); got != "sensor 1" {
		t.Errorf("Subject = %q", got)
	}
	if got := a.RecipientID(); string(got) != "\x02" {
		t.Errorf("RecipientID = %x, want 02", got)
	}
	stranger := mustAssociation(t, Config{Params: Params{MasterSecret: []byte("s"), SenderID: []byte("x"), RecipientID: []byte("y")}})
	p, _, err := stranger.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.VerifyRequest(p); err != error(errNoContext) {
		t.Errorf("request of a stranger: %v, want %v", err, errNoContext)
	}
	if _, _, err := a.VerifyRequest(Protected{}); err != ErrUnprotected {
		t.Errorf("zero Protected: %v, want %v", err, ErrUnprotected)
	}
}
