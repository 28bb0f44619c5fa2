package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
)

func newContext(name, subject string, sender, recipient byte) Context {
	return Context{Name: name, Subject: subject, B2: oscore.B2Allowed, Params: oscore.Params{
		MasterSecret: secret.Bytes(topSecret), MasterSalt: []byte("salt"), SenderID: []byte{sender}, RecipientID: []byte{recipient},
		AEAD: cose.AES_CCM_16_64_128, HKDF: cose.HMAC256_256,
	}}
}

func testContexts(t *testing.T, open opener) {
	dir := t.TempDir()
	s := open(t, dir)
	me, ctx := s.Admin("me"), t.Context()
	one, two := newContext("one", "pump", 1, 2), newContext("two", "valve", 3, 2)
	one.SenderID = []byte{}
	one.IDContext = []byte{}
	two.IDContext = []byte("net")
	if err := me.AddClient(ctx, as.Client{Name: "pump"}, one); err != nil {
		t.Fatal(err)
	}
	server := fullServer(t)
	if err := me.AddResourceServer(ctx, server, two); err != nil {
		t.Fatal(err)
	}
	two.Subject = as.ResourceServerSubject("valve")
	again := open(t, dir)
	all, err := again.Contexts(ctx)
	if err != nil || !reflect.DeepEqual(all, []Context{one, two}) {
		t.Errorf("Contexts = %+v, %v, want %+v", all, err, []Context{one, two})
	}
	for i := range all {
		if !all[i].MasterSecret.Equal([]byte(topSecret)) {
			t.Error("master secret differs")
		}
	}
	if got, err := s.ContextsByRecipientID(ctx, []byte{2}); err != nil || len(got) != 2 {
		t.Errorf("by recipient id: %+v, %v, want both", got, err)
	}
	if got, err := s.ContextsByRecipientID(ctx, nil); err != nil || len(got) != 0 {
		t.Errorf("by another recipient id: %+v, %v, want none", got, err)
	}
	if got, err := s.ContextsOf(ctx, "pump"); err != nil || !reflect.DeepEqual(got, []Context{one}) {
		t.Errorf("of pump: %+v, %v", got, err)
	}
	if first, err := s.Sequence("one").Reserve(1); err != nil || first != 0 {
		t.Errorf("Reserve: %d, %v", first, err)
	}

	// A client is also called valve. Each has its own contexts, and its own only.
	three := newContext("three", "valve", 5, 6)
	if err := me.AddContext(ctx, three); !errors.Is(err, ErrNotFound) {
		t.Errorf("a context of a client that is not registered: %v, want ErrNotFound", err)
	}
	four := newContext("four", as.ResourceServerSubject("pump"), 7, 8)
	if err := me.AddContext(ctx, four); !errors.Is(err, ErrNotFound) {
		t.Errorf("a context of a resource server that is a client only: %v, want ErrNotFound", err)
	}
	if err := me.AddClient(ctx, as.Client{Name: "valve"}, three); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ContextsOf(ctx, "valve"); err != nil || !reflect.DeepEqual(got, []Context{three}) {
		t.Errorf("of the client: %+v, %v", got, err)
	}
	if got, err := s.ContextsOf(ctx, two.Subject); err != nil || !reflect.DeepEqual(got, []Context{two}) {
		t.Errorf("of the resource server: %+v, %v", got, err)
	}
	if err := me.RemoveClient(ctx, "valve"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Contexts(ctx); err != nil || !reflect.DeepEqual(got, []Context{one, two}) {
		t.Errorf("without the client: %+v, %v", got, err)
	}
	if err := me.RemoveResourceServer(ctx, "valve"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Contexts(ctx); err != nil || !reflect.DeepEqual(got, []Context{one}) {
		t.Errorf("without the resource server: %+v, %v", got, err)
	}
	if err := me.RemoveContext(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Contexts(ctx); err != nil || len(got) != 0 {
		t.Errorf("in the end: %+v, %v", got, err)
	}
}

// The same key and ID would begin again with nonces that were used (OSC-1).
//
//spec:8613-3.3-1
//spec:8613-3.3-2
//spec:8613-3.3-3
func testKeyReuse(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	me, ctx := s.Admin("me"), t.Context()
	if err := me.AddClient(ctx, as.Client{Name: "pump"}, newContext("c", "", 1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := me.RemoveContext(ctx, "c"); err != nil { // makes no difference
		t.Fatal(err)
	}
	with := func(c Context, change func(*Context)) Context { change(&c); return c }
	base := newContext("d", "pump", 1, 2)
	for name, c := range map[string]Context{
		"same":           base,
		"swapped":        newContext("d", "pump", 2, 1),
		"sender only":    newContext("d", "pump", 1, 9),
		"recipient only": newContext("d", "pump", 9, 2),
		"other AEAD":     with(base, func(c *Context) { c.AEAD = cose.AES_CCM_16_128_128 }),
	} {
		if err := me.AddContext(ctx, c); !errors.Is(err, ErrKeyReuse) {
			t.Errorf("%s: %v, want ErrKeyReuse", name, err)
		}
	}
	if err := me.AddContext(ctx, with(base, func(c *Context) { c.Name, c.MasterSalt = "c", nil })); !errors.Is(err, ErrExists) {
		t.Errorf("name of a removed context: %v, want ErrExists", err)
	}
	for name, c := range map[string]Context{
		"salt":       with(base, func(c *Context) { c.MasterSalt = nil }),
		"secret":     with(base, func(c *Context) { c.MasterSecret = secret.Bytes("another") }),
		"ID Context": with(base, func(c *Context) { c.IDContext = []byte("x") }),
		"empty one":  with(base, func(c *Context) { c.IDContext = []byte{} }),
		"IDs":        newContext("", "pump", 3, 4),
	} {
		c.Name = name
		if err := me.AddContext(ctx, c); err != nil {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for name, c := range map[string]Context{
		"equal IDs": newContext("e", "pump", 7, 7), "no name": newContext("", "pump", 7, 8),
		"no secret": with(newContext("e", "pump", 7, 8), func(c *Context) { c.MasterSecret = nil }),
		"long ID":   with(newContext("e", "pump", 7, 8), func(c *Context) { c.SenderID = make([]byte, 8) }),
	} {
		if err := me.AddContext(ctx, c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// After a restore a provisioned context is stale until it has new keys.
func TestStaleContexts(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s := openAt(t, dir, c.use)
	if err := s.Admin("me").AddClient(t.Context(), as.Client{Name: "pump"}, newContext("old", "", 1, 2)); err != nil {
		t.Fatal(err)
	}
	backup, restored := filepath.Join(dir, "backup.db"), filepath.Join(dir, "restored", "ostiary.db")
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), backup, restored); err != nil {
		t.Fatal(err)
	}
	c.add(time.Hour)
	r, err := Open(t.Context(), Config{Path: restored, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fresh := newContext("new", "pump", 1, 2)
	fresh.MasterSecret = secret.Bytes("fresh")
	if err := r.Admin("me").AddContext(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	all, err := r.Contexts(t.Context())
	if err != nil || len(all) != 2 || all[0].Stale || !all[1].Stale {
		t.Errorf("Contexts = %+v, %v, want new, and old stale", all, err)
	}
}

// No error, event or printed value shows a secret.
func testNoSecretIsShown(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	me, ctx := s.Admin("me"), t.Context()
	var shown []string
	show := func(v ...any) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%q"} {
			for _, v := range v {
				shown = append(shown, fmt.Sprintf(verb, v))
			}
		}
	}
	server := fullServer(t)
	show(server, &server, newContext("c", "pump", 1, 2))
	show(me.AddResourceServer(ctx, server, newContext("c", "", 1, 2)), me.AddResourceServer(ctx, server),
		me.AddContext(ctx, newContext("d", "valve", 1, 2)), me.AddContext(ctx, newContext("e", "valve", 3, 3)))
	events, err := s.Events(ctx, 0, 100)
	show(events, err)
	for _, text := range shown {
		if strings.Contains(text, topSecret) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", topSecret)) {
			t.Errorf("shown: %s", text)
		}
	}
}
