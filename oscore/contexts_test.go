package oscore

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/cose"
)

// peer is one association of a table, and the client that belongs to it.
func peer(t rapid.TB, secret string, clientID, serverID string, idContext []byte, change ...func(*Config)) (client, server *Association) {
	t.Helper()
	cfg := Config{Subject: secret, Params: Params{
		MasterSecret: []byte(secret), SenderID: []byte(clientID), RecipientID: []byte(serverID), IDContext: idContext,
	}}
	for _, f := range change {
		f(&cfg)
	}
	mirrored := cfg
	mirrored.Params = cfg.mirror()
	return mustAssociation(t, cfg), mustAssociation(t, mirrored)
}

func mustAdd(t rapid.TB, table *Contexts, all ...*Association) {
	t.Helper()
	for _, a := range all {
		if err := table.Add(a); err != nil {
			t.Fatal(err)
		}
	}
}

// tableVerifier is a table as a verifier that remembers whom it found.
type tableVerifier struct {
	*Contexts
	found *Association
}

func (v *tableVerifier) VerifyRequest(p Protected) (Message, *ServerExchange, error) {
	a, m, x, err := v.Contexts.VerifyRequest(p)
	v.found = a
	return m, x, err
}

// TestTableModel adds and removes at random; who is in the table is found, and nobody
// else.
func TestTableModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		table := &tableVerifier{Contexts: &Contexts{}}
		type member struct{ client, server *Association }
		in := map[int]member{}
		for step := range rapid.IntRange(1, 40).Draw(r, "steps") {
			i := rapid.IntRange(0, 11).Draw(r, "member")
			if m, there := in[i]; there {
				if rapid.Bool().Draw(r, "remove") {
					if !table.Remove(m.server) || table.Remove(m.server) {
						r.Fatal("Remove = false, then true; want true, then false")
					}
					if p, _, err := m.client.ProtectRequest(getRequest); err != nil {
						r.Fatal(err)
					} else if _, _, err := table.VerifyRequest(p); err == nil {
						r.Fatal("a removed association was found")
					}
					delete(in, i)
					continue
				}
				roundTrip(r, m.client, table)
				if table.found != m.server {
					r.Fatalf("found %q, want %q", table.found.Subject(), m.server.Subject())
				}
				continue
			}
			// Twelve members of four Recipient IDs, with three ID Contexts each.
			id := fmt.Sprint(i % 4)
			client, server := peer(r, fmt.Sprintf("secret %d of step %d", i, step), id, "s", []byte{byte(i / 4)})
			mustAdd(r, table.Contexts, server)
			in[i] = member{client, server}
			if table.Len() != len(in) {
				r.Fatalf("Len = %d, want %d", table.Len(), len(in))
			}
		}
	})
}

// TestManyOfOneID is a Recipient ID with many ID Contexts: with a kid context the right one
// is found at once, without one a few are tried.
//
//spec:8613-5-6
func TestManyOfOneID(t *testing.T) {
	for _, tries := range []int{0, 3, 100} {
		table := &tableVerifier{Contexts: &Contexts{Tries: tries}}
		want := min(tries, maxTries)
		if tries == 0 {
			want = maxTries
		}
		const n = 1000
		var clients, servers []*Association
		for i := range n {
			client, server := peer(t, fmt.Sprint("secret ", i), "c", "s", []byte(fmt.Sprint("context ", i)))
			mustAdd(t, table.Contexts, server)
			clients, servers = append(clients, client), append(servers, server)
		}
		for _, i := range []int{0, 1, n / 2, n - 1} {
			roundTrip(t, clients[i], table)
			if table.found != servers[i] {
				t.Errorf("found %q, want %q", table.found.Subject(), servers[i].Subject())
			}
		}
		failures := func() (sum uint64) {
			for _, a := range servers {
				sum += a.Current().Usage().Failures
			}
			return sum
		}
		before := failures()
		p, _, err := clients[0].ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		p = wire(t, p)
		p.header.kidContext, p.header.hasKIDContext = nil, false
		p.payload[0] ^= 1
		if _, _, err := table.VerifyRequest(p); err != error(errDecrypt) {
			t.Errorf("forged request: %v, want %v", err, errDecrypt)
		}
		if got := failures() - before; got != uint64(want) {
			t.Errorf("Tries %d: %d verifications, want %d", tries, got, want)
		}
		p.header.kidContext, p.header.hasKIDContext = []byte("none of them"), true
		if _, _, err := table.VerifyRequest(p); err != error(errNoContext) {
			t.Errorf("unknown kid context: %v, want %v", err, errNoContext)
		}
	}
}

// TestNeighbours: contexts that share a Recipient ID, asked without kid context. A good
// request counts against nobody, and a replay is one.
func TestNeighbours(t *testing.T) {
	table := &tableVerifier{Contexts: &Contexts{}}
	var clients, servers []*Association
	for i := range 5 {
		client, server := peer(t, fmt.Sprint("secret ", i), "c", "s", []byte{byte(i)}, func(c *Config) { c.OmitKIDContext = true })
		mustAdd(t, table.Contexts, server)
		clients, servers = append(clients, client), append(servers, server)
	}
	var last Protected
	for range 10 {
		for i, c := range clients {
			p, _, err := c.ProtectRequest(getRequest)
			if err != nil {
				t.Fatal(err)
			}
			if _, has := p.KIDContext(); has {
				t.Error("there is a kid context")
			}
			if _, _, err := table.VerifyRequest(wire(t, p)); err != nil || table.found != servers[i] {
				t.Fatalf("client %d: %v", i, err)
			}
			last = wire(t, p)
		}
	}
	for i, s := range servers {
		if got := s.Current().Usage().Failures; got != 0 {
			t.Errorf("server %d has %d failures, want 0", i, got)
		}
	}
	if _, _, err := table.VerifyRequest(last); err != error(errReplay) {
		t.Errorf("replay: %v, want %v", err, errReplay)
	}
}

// TestTableErrors is every refusal of Section 8.2, and the uniform ones.
//
//spec:8613-5-3
//spec:8613-5-4
//spec:8613-8.2-3
//spec:8613-8.2-4
func TestTableErrors(t *testing.T) {
	client, server := peer(t, "secret", "c", "s", nil)
	stranger, _ := peer(t, "secret", "x", "s", nil)
	impostor, _ := peer(t, "another", "c", "s", nil)
	protect := func(a *Association) Protected {
		p, _, err := a.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		return wire(t, p)
	}
	for range 10 {
		protect(impostor) // with numbers that the client does not use
	}
	replay := protect(client)
	noKID, noPIV, longKID := protect(client), protect(client), protect(client)
	noKID.header.hasKID, noKID.header.kid = false, nil
	noPIV.header.piv = partialIV{}
	longKID.header.kid = []byte("12345678")
	for _, uniform := range []bool{false, true} {
		table := &Contexts{Uniform: uniform}
		mustAdd(t, table, server)
		_, _, _, _ = table.VerifyRequest(replay)
		for name, v := range map[string]struct {
			p          Protected
			code       Code
			diagnostic string
		}{
			"no kid":        {noKID, 0x82, "Failed to decode COSE"},
			"no Partial IV": {noPIV, 0x82, "Failed to decode COSE"},
			"unknown kid":   {protect(stranger), 0x81, "Security context not found"},
			"kid too long":  {longKID, 0x81, "Security context not found"},
			"replay":        {replay, 0x81, "Replay detected"},
			"wrong key":     {protect(impostor), 0x80, "Decryption failed"},
		} {
			a, _, x, err := table.VerifyRequest(v.p)
			if a != nil || x != nil {
				t.Errorf("%s: an exchange came out", name)
			}
			var refused *Error
			if !errors.As(err, &refused) || refused.Section == "" || refused.Reason == "" {
				t.Fatalf("%s: %v, want an Error", name, err)
			}
			if uniform {
				v.code, v.diagnostic = 0x81, ""
			}
			m := ErrorMessage(err)
			if m.Code != v.code || string(m.Payload) != v.diagnostic {
				t.Errorf("%s: %v %q, want %v %q", name, m.Code, m.Payload, v.code, v.diagnostic)
			}
		}
		table.Remove(server)
	}
	if _, _, _, err := new(Contexts).VerifyRequest(Protected{}); err != ErrUnprotected {
		t.Errorf("zero Protected: %v, want %v", err, ErrUnprotected)
	}
}

// TestTableB2 runs Appendix B.2 through a table of several peers with one Recipient ID.
func TestTableB2(t *testing.T) {
	table := &tableVerifier{Contexts: &Contexts{}}
	var clients, servers []*Association
	for i := range 3 {
		client, server := peer(t, fmt.Sprint("secret ", i), "c", "s", []byte{byte(i)}, func(c *Config) { c.B2 = B2Required })
		mustAdd(t, table.Contexts, server)
		clients, servers = append(clients, client), append(servers, server)
	}
	for i, c := range clients {
		_, x, y, rounds := retried(t, c, table, getRequest)
		if rounds != 2 || table.found != servers[i] {
			t.Errorf("client %d: %d exchanges, found %v", i, rounds, table.found)
		}
		finish(t, x, y)
		assertSame(t, c, servers[i])
	}
	for i, c := range clients {
		roundTrip(t, c, table)
		if table.found != servers[i] {
			t.Errorf("client %d: found another", i)
		}
	}
}

// TestNamedContextExcludesOthers: a request that names a context costs its neighbours
// nothing, also if it does not verify.
func TestNamedContextExcludesOthers(t *testing.T) {
	derived := 0
	count := func(cfg *Config) {
		cfg.B2 = B2Allowed
		cfg.DangerNewAEAD = func(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
			derived++
			return a.NewAEAD(key)
		}
	}
	var table Contexts
	client, server := peer(t, "one", "c", "s", []byte("one"), count)
	_, other := peer(t, "two", "c", "s", []byte("two"), count)
	mustAdd(t, &table, server, other)
	p, _, err := client.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	p = wire(t, p)
	p.payload[0] ^= 1
	before := derived
	if _, _, _, err := table.VerifyRequest(p); err != error(errDecrypt) {
		t.Errorf("forged request: %v, want %v", err, errDecrypt)
	}
	if derived != before || other.Current().Usage().Failures != 0 {
		t.Errorf("%d keys were made, and %d verifications tried with the neighbour", derived-before, other.Current().Usage().Failures)
	}
}

// TestTableConcurrent changes the table while it is used.
func TestTableConcurrent(t *testing.T) {
	var table Contexts
	var all sync.WaitGroup
	for i := range 8 {
		client, server := peer(t, fmt.Sprint("secret ", i), "c", "s", []byte{byte(i)})
		mustAdd(t, &table, server)
		all.Go(func() {
			for range 200 {
				roundTrip(t, client, &tableVerifier{Contexts: &table})
			}
		})
		all.Go(func() {
			for j := range 100 {
				_, other := peer(t, fmt.Sprint("other ", i), "c", "s", []byte{byte(i), byte(j)})
				mustAdd(t, &table, other)
				table.Compact()
				if !table.Remove(other) {
					t.Error("Remove = false")
				}
			}
		})
	}
	all.Wait()
	if got := table.Len(); got != 8 {
		t.Errorf("Len = %d, want 8", got)
	}
}

// TestKIDContext: a request names the ID Context of its context, or none.
//
//spec:8613-5-5
//spec:8613-5-6
func TestKIDContext(t *testing.T) {
	params := testParams()
	params.IDContext = []byte("context")
	c, s := mustContext(t, Config{Params: params}), mustContext(t, Config{Params: params.mirror()})
	for name, v := range map[string]struct {
		kidContext []byte
		present    bool
		want       error
	}{
		"its own":          {[]byte("context"), true, nil},
		"none":             {nil, false, nil},
		"another":          {[]byte("contexT"), true, errNoContext},
		"empty":            {[]byte{}, true, errNoContext},
		"in a CBOR string": {[]byte("\x47context"), true, errNoContext}, // not of a run of Appendix B.2
		"longer":           {[]byte("context "), true, errNoContext},
	} {
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := p.KIDContext(); string(got) != "context" {
			t.Errorf("kid context = %q", got)
		}
		p.header.kidContext, p.header.hasKIDContext = v.kidContext, v.present
		if _, _, err := s.VerifyRequest(p); !sameError(err, v.want) {
			t.Errorf("%s: %v, want %v", name, err, v.want)
		}
	}
	c, s = pairFor(t)
	p, _, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	p.header.kidContext, p.header.hasKIDContext = []byte{}, true
	if _, _, err := s.VerifyRequest(p); err != error(errNoContext) {
		t.Errorf("kid context for a context without: %v, want %v", err, errNoContext)
	}
}
