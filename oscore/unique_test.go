package oscore

import (
	"testing"

	"pgregory.net/rapid"
)

//spec:8613-3.3-1
//spec:8613-3.3-2
//spec:8613-3.3-3
//spec:8613-4.1.3.2-2
func TestAddRefuses(t *testing.T) {
	add := func(client, server string, change func(*Config)) *Association {
		cfg := Config{Params: Params{
			MasterSecret: []byte("secret"), MasterSalt: []byte("salt"), IDContext: []byte("context"),
			SenderID: []byte(server), RecipientID: []byte(client),
		}}
		if change != nil {
			change(&cfg)
		}
		return mustAssociation(t, cfg)
	}
	var table Contexts
	mustAdd(t, &table, add("c", "s", nil))
	otherSecret := func(c *Config) { c.MasterSecret = []byte("another") }
	type step struct {
		name string
		a    *Association
		want error
	}
	for _, v := range []step{
		{"the same again", add("c", "s", nil), ErrKeyInUse},
		{"with another Recipient ID", add("d", "s", nil), ErrKeyInUse},
		{"the mirror", add("s", "c", nil), ErrKeyInUse},
		{"the Sender ID as Recipient ID", add("s", "f", nil), ErrKeyInUse},
		{"salt padded with zeros", add("c", "s", func(c *Config) { c.MasterSalt = []byte("salt\x00\x00") }), ErrKeyInUse},
		{"with another algorithm", add("g", "s", func(c *Config) { c.AEAD = 30 }), ErrKeyInUse},
		{"same Recipient ID and ID Context", add("c", "s", otherSecret), ErrRecipientIDInUse},
		{"same Recipient ID, other ID Context", add("c", "s", func(c *Config) { c.IDContext = []byte("other") }), nil},
		{"same Recipient ID, no ID Context", add("c", "s", func(c *Config) { c.IDContext = nil }), nil},
		{"again without, other secret", add("c", "s", func(c *Config) { otherSecret(c); c.IDContext = nil }), ErrRecipientIDInUse},
		{"with an empty one", add("c", "s", func(c *Config) { otherSecret(c); c.IDContext = []byte{} }), nil},
		{"none, waiting for B.2", add("c", "s", func(c *Config) {
			c.MasterSecret, c.IDContext, c.B2 = []byte("third"), nil, B2Required
		}), ErrRecipientIDInUse},
	} {
		before := table.Len()
		if err := table.Add(v.a); !sameError(err, v.want) {
			t.Errorf("%s: Add = %v, want %v", v.name, err, v.want)
		} else if got := table.Len() - before; got != map[bool]int{true: 1, false: 0}[err == nil] {
			t.Errorf("%s: the table grew by %d", v.name, got)
		}
	}
	gone := add("x", "y", nil)
	gone.Discard()
	if err := table.Add(gone); err != ErrDiscarded {
		t.Errorf("Add of a discarded association = %v, want %v", err, ErrDiscarded)
	}
}

// TestNoKeyTwice adds associations of few different parameters at random: none gets in
// whose Sender Key, or whose peer's, is that of another.
//
//spec:8613-3.3-1
//spec:8613-3.3-2
//spec:8613-3.3-3
func TestNoKeyTwice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var table Contexts
		type key struct{ secret, salt, context, id string }
		keys, recipients := map[key]bool{}, map[[2]string]bool{}
		for range rapid.IntRange(1, 20).Draw(r, "additions") {
			pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(r, name) }
			secret, salt := pick("secret", "one", "two"), pick("salt", "", "salt")
			context := pick("ID Context", "-", "", "context")
			sender := pick("Sender ID", "", "a", "b", "aa")
			recipient := pick("Recipient ID", "", "a", "b", "aa")
			if sender == recipient {
				continue
			}
			p := Params{MasterSecret: []byte(secret), MasterSalt: []byte(salt), SenderID: []byte(sender), RecipientID: []byte(recipient)}
			if context != "-" {
				p.IDContext = []byte(context)
			}
			own, peer := key{secret, salt, context, sender}, key{secret, salt, context, recipient}
			err := table.Add(mustAssociation(r, Config{Params: p}))
			switch named := [2]string{recipient, context}; {
			case keys[own] || keys[peer]:
				if err != ErrKeyInUse {
					r.Fatalf("Add = %v, want %v", err, ErrKeyInUse)
				}
			case recipients[named]:
				if err != ErrRecipientIDInUse {
					r.Fatalf("Add = %v, want %v", err, ErrRecipientIDInUse)
				}
			case err != nil:
				r.Fatal(err)
			default:
				keys[own], recipients[named] = true, true
			}
		}
	})
}
