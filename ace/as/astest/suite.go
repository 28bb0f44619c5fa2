package astest

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
)

// start is the time of the first token of each test.
var start = time.Unix(1_800_000_000, 0).UTC()

// token makes the token number n of client "c" for the RS "rs".
func token(n byte, use as.KeyUse, keyID string) as.Issued {
	hash := make([]byte, 33)
	hash[0], hash[32] = 1, n
	return as.Issued{
		CTI: []byte{0, n}, Hash: hash, Client: "c", Audience: "aud", Servers: []string{"rs"},
		KeyID: []byte(keyID), KeyUse: use, Scope: ace.TextScope("read"), Profile: ace.ProfileCoAPOSCORE,
		IssuedAt: start.Add(time.Duration(n) * time.Second), Expires: start.Add(time.Hour),
	}
}

// TestLedger fails t where the Ledger that open gives, empty each time, does not
// do what the interface asks for.
func TestLedger(t *testing.T, open func(t *testing.T) as.Ledger) {
	for name, test := range map[string]func(*testing.T, as.Ledger){
		"Sequence":           testSequence,
		"SequenceConcurrent": testSequenceConcurrent,
		"Record":             testRecord,
		"Fields":             testFields,
		"Duplicate":          testDuplicate,
		"DuplicateRace":      testDuplicateRace,
		"Expires":            testExpires,
		"Supersede":          testSupersede,
		"Superseded":         testSuperseded,
		"SupersedeRace":      testSupersedeRace,
		"Servers":            testServers,
		"ByHash":             testByHash,
		"LastIssued":         testLastIssued,
		"Cancelled":          testCancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// TestLedgerDurable fails t where a Ledger that was opened again, on the folder
// of one that was dropped without notice, has forgotten something. open opens
// the Ledger in dir.
func TestLedgerDurable(t *testing.T, open func(t *testing.T, dir string) as.Ledger) {
	dir := t.TempDir()
	l := open(t, dir)
	first := next(t, l, "", 64)
	exi := next(t, l, "rs", 1)
	old := token(1, as.NewKey, "k1")
	record(t, l, old)
	record(t, l, token(2, as.SameKey, "k1"))

	l = open(t, dir)
	if got := next(t, l, "", 1); got < first+64 {
		t.Errorf("NextSequence after the restart = %d, want at least %d", got, first+64)
	}
	if got := next(t, l, "rs", 1); got <= exi {
		t.Errorf("NextSequence of an RS after the restart = %d, want more than %d", got, exi)
	}
	want(t, l, "k1", start, token(2, as.SameKey, "k1"))
	noHash(t, l, old, start)
	byHash(t, l, token(2, as.SameKey, "k1"), start)
	if err := l.Record(t.Context(), old); !errors.Is(err, as.ErrDuplicate) {
		t.Errorf("Record of a superseded CTI after the restart: %v, want ErrDuplicate", err)
	}
	record(t, l, token(3, as.SameKey, "k1"))
	want(t, l, "k1", start, token(3, as.SameKey, "k1"))
	if got, err := l.LastIssued(t.Context()); err != nil || !got.Equal(start.Add(3*time.Second)) {
		t.Errorf("LastIssued after the restart = %v, %v, want %v", got, err, start.Add(3*time.Second))
	}
}

func next(t *testing.T, l as.Ledger, rs string, n uint64) uint64 {
	t.Helper()
	first, err := l.NextSequence(t.Context(), rs, n)
	if err != nil {
		t.Fatalf("NextSequence(%q, %d): %v", rs, n, err)
	}
	return first
}

func record(t *testing.T, l as.Ledger, token as.Issued) {
	t.Helper()
	if err := l.Record(t.Context(), token); err != nil {
		t.Fatalf("Record(%x): %v", token.CTI, err)
	}
}

// want fails t if the live token of client "c" at "rs" is another one.
func want(t *testing.T, l as.Ledger, keyID string, now time.Time, want as.Issued) {
	t.Helper()
	got, err := l.LiveToken(t.Context(), "c", "rs", []byte(keyID), now)
	if err != nil {
		t.Fatalf("LiveToken(%q): %v", keyID, err)
	}
	if !reflect.DeepEqual(utc(got), want) {
		t.Errorf("LiveToken(%q) = %+v, want %+v", keyID, got, want)
	}
}

func utc(i as.Issued) as.Issued {
	i.IssuedAt, i.Expires = i.IssuedAt.UTC(), i.Expires.UTC()
	return i
}

func notLive(t *testing.T, l as.Ledger, client, rs, keyID string, now time.Time) {
	t.Helper()
	if got, err := l.LiveToken(t.Context(), client, rs, []byte(keyID), now); !errors.Is(err, as.ErrNotLive) {
		t.Errorf("LiveToken(%q, %q, %q) = %x, %v, want ErrNotLive", client, rs, keyID, got.CTI, err)
	}
}

func testSequence(t *testing.T, l as.Ledger) {
	a := next(t, l, "", 64)
	b := next(t, l, "", 1)
	c := next(t, l, "", 1)
	if a == 0 || b < a+64 || c <= b {
		t.Errorf("numbers %d (64 of them), %d, %d: want rising ones, from 1 on", a, b, c)
	}
	if d, e := next(t, l, "rs1", 1), next(t, l, "rs1", 1); d == 0 || e <= d {
		t.Errorf("numbers of an RS %d, %d: want rising ones, from 1 on", d, e)
	}
}

func testSequenceConcurrent(t *testing.T, l as.Ledger) {
	var mu sync.Mutex
	var all []uint64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			last := uint64(0)
			for range 8 {
				first, err := l.NextSequence(t.Context(), "", 4)
				if err != nil || first <= last {
					t.Errorf("NextSequence = %d, %v after %d", first, err, last)
				}
				last = first
				mu.Lock()
				all = append(all, first, first+1, first+2, first+3)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 8*8*4 {
		t.Errorf("%d different numbers, want %d", n, 8*8*4)
	}
}

func testRecord(t *testing.T, l as.Ledger) {
	notLive(t, l, "c", "rs", "k1", start)
	record(t, l, token(1, as.NewKey, "k1"))
	record(t, l, token(2, as.NewKey, "k2"))
	want(t, l, "k1", start, token(1, as.NewKey, "k1"))
	want(t, l, "k2", start, token(2, as.NewKey, "k2"))
	notLive(t, l, "other", "rs", "k1", start)
	notLive(t, l, "c", "other", "k1", start)
	notLive(t, l, "c", "rs", "k3", start)
	notLive(t, l, "c", "rs", "k", start)
}

// testFields keeps every field, of every shape.
func testFields(t *testing.T, l as.Ledger) {
	one := token(1, as.NewKey, "\x00\xff'k")
	one.Scope = ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET | ace.GET.Dynamic()}})
	one.Audience, one.Profile, one.ExpiresIn = "coap://rs.example.com/ä", -65537, 1<<32-1
	record(t, l, one)
	want(t, l, "\x00\xff'k", start, one)
}

func testDuplicate(t *testing.T, l as.Ledger) {
	record(t, l, token(1, as.NewKey, "k1"))
	sameCTI, sameHash := token(2, as.NewKey, "k2"), token(2, as.NewKey, "k2")
	sameCTI.CTI = token(1, 0, "").CTI
	sameHash.Hash = token(1, 0, "").Hash
	otherClient := token(2, as.NewKey, "k1")
	otherClient.Client, otherClient.Servers = "d", []string{"rs2"}
	for name, i := range map[string]as.Issued{
		"CTI": sameCTI, "Hash": sameHash, "new KeyID": token(2, as.NewKey, "k1"), "KeyID of another": otherClient,
	} {
		if err := l.Record(t.Context(), i); !errors.Is(err, as.ErrDuplicate) {
			t.Errorf("Record with the same %s: %v, want ErrDuplicate", name, err)
		}
	}
	notLive(t, l, "c", "rs", "k2", start)
	// A client's public key comes back with each of its tokens.
	record(t, l, token(3, as.ClientKey, "thumbprint"))
	record(t, l, token(4, as.ClientKey, "thumbprint"))
	want(t, l, "thumbprint", start, token(4, as.ClientKey, "thumbprint"))
}

func testDuplicateRace(t *testing.T, l as.Ledger) {
	errs := race(8, func(int) error { return l.Record(t.Context(), token(1, as.NewKey, "k1")) })
	if n := count(errs, nil); n != 1 {
		t.Errorf("%d of 8 Records of one CTI succeeded, want 1: %v", n, errs)
	}
}

func testExpires(t *testing.T, l as.Ledger) {
	i := token(1, as.NewKey, "k1")
	record(t, l, i)
	want(t, l, "k1", i.Expires.Add(-time.Second), i)
	notLive(t, l, "c", "rs", "k1", i.Expires)
	update := token(2, as.SameKey, "k1")
	update.IssuedAt, update.Expires = i.Expires, i.Expires.Add(time.Hour)
	if err := l.Record(t.Context(), update); !errors.Is(err, as.ErrNotLive) {
		t.Errorf("Record of an update of an expired token: %v, want ErrNotLive", err)
	}
	notLive(t, l, "c", "rs", "k1", i.Expires)
	if err := l.Record(t.Context(), i); !errors.Is(err, as.ErrDuplicate) {
		t.Errorf("Record of an expired CTI: %v, want ErrDuplicate", err)
	}
}

func testSupersede(t *testing.T, l as.Ledger) {
	if err := l.Record(t.Context(), token(9, as.SameKey, "k1")); !errors.Is(err, as.ErrNotLive) {
		t.Errorf("Record of an update without a token: %v, want ErrNotLive", err)
	}
	record(t, l, token(1, as.NewKey, "k1"))
	for name, change := range map[string]func(*as.Issued){
		"client": func(i *as.Issued) { i.Client = "d" },
		"RS":     func(i *as.Issued) { i.Servers = []string{"rs2"} },
		"key":    func(i *as.Issued) { i.KeyID = []byte("k2") },
	} {
		i := token(9, as.SameKey, "k1")
		change(&i)
		if err := l.Record(t.Context(), i); !errors.Is(err, as.ErrNotLive) {
			t.Errorf("Record of an update with another %s: %v, want ErrNotLive", name, err)
		}
	}
	want(t, l, "k1", start, token(1, as.NewKey, "k1"))
	for n := byte(2); n < 5; n++ { // a second and a third time
		record(t, l, token(n, as.SameKey, "k1"))
		want(t, l, "k1", start, token(n, as.SameKey, "k1"))
	}
}

// testSuperseded: a token that was superseded is not live when its successor has
// expired.
func testSuperseded(t *testing.T, l as.Ledger) {
	record(t, l, token(1, as.NewKey, "k1"))
	short := token(2, as.SameKey, "k1")
	short.Expires = start.Add(time.Minute)
	record(t, l, short)
	want(t, l, "k1", start, short)
	notLive(t, l, "c", "rs", "k1", short.Expires)
	late := token(3, as.SameKey, "k1")
	late.IssuedAt = short.Expires
	if err := l.Record(t.Context(), late); !errors.Is(err, as.ErrNotLive) {
		t.Errorf("Record of an update of a superseded token: %v, want ErrNotLive", err)
	}
}

func testSupersedeRace(t *testing.T, l as.Ledger) {
	record(t, l, token(1, as.NewKey, "k1"))
	errs := race(8, func(n int) error { return l.Record(t.Context(), token(byte(2+n), as.SameKey, "k1")) })
	if n := count(errs, nil); n != 8 {
		t.Errorf("%d of 8 updates succeeded, want all: %v", n, errs)
	}
	if _, err := l.LiveToken(t.Context(), "c", "rs", []byte("k1"), start); err != nil {
		t.Errorf("LiveToken after 8 updates: %v", err)
	}
}

// testServers records a token for a group of RSs.
func testServers(t *testing.T, l as.Ledger) {
	i := token(1, as.ClientKey, "thumbprint")
	i.Servers = []string{"rs", "rs2"}
	record(t, l, i)
	want(t, l, "thumbprint", start, i)
	got, err := l.LiveToken(t.Context(), "c", "rs2", i.KeyID, start)
	if err != nil || !reflect.DeepEqual(utc(got), i) {
		t.Errorf("LiveToken at the second RS = %+v, %v, want %+v", got, err, i)
	}
	notLive(t, l, "c", "rs,rs2", "thumbprint", start)
}

// testByHash: a token is found by its whole hash, while it is live.
func testByHash(t *testing.T, l as.Ledger) {
	old, group := token(1, as.NewKey, "k1"), token(2, as.ClientKey, "thumbprint")
	group.Servers = []string{"rs", "rs2"}
	record(t, l, old)
	record(t, l, group)
	byHash(t, l, old, start)
	byHash(t, l, group, start)
	byHash(t, l, old, old.Expires.Add(-time.Second))
	for name, hash := range map[string][]byte{"nil": nil, "shorter": old.Hash[:32], "longer": append(bytes.Clone(old.Hash), 0), "other": token(3, 0, "").Hash} {
		if got, err := l.LiveTokenByHash(t.Context(), hash, start); !errors.Is(err, as.ErrNotLive) {
			t.Errorf("LiveTokenByHash of a hash that is %s = %x, %v, want ErrNotLive", name, got.CTI, err)
		}
	}
	noHash(t, l, old, old.Expires)
	record(t, l, token(4, as.SameKey, "k1"))
	noHash(t, l, old, start)
	byHash(t, l, token(4, as.SameKey, "k1"), start)
	byHash(t, l, group, start)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.LiveTokenByHash(ctx, group.Hash, start); err == nil || errors.Is(err, as.ErrNotLive) {
		t.Errorf("LiveTokenByHash under a cancelled context: %v, want the context's error", err)
	}
}

func byHash(t *testing.T, l as.Ledger, want as.Issued, now time.Time) {
	t.Helper()
	got, err := l.LiveTokenByHash(t.Context(), want.Hash, now)
	if err != nil || !reflect.DeepEqual(utc(got), want) {
		t.Errorf("LiveTokenByHash = %+v, %v, want %+v", got, err, want)
	}
}

func noHash(t *testing.T, l as.Ledger, token as.Issued, now time.Time) {
	t.Helper()
	if got, err := l.LiveTokenByHash(t.Context(), token.Hash, now); !errors.Is(err, as.ErrNotLive) {
		t.Errorf("LiveTokenByHash = %x, %v, want ErrNotLive", got.CTI, err)
	}
}

func testLastIssued(t *testing.T, l as.Ledger) {
	if got, err := l.LastIssued(t.Context()); err != nil || !got.IsZero() {
		t.Errorf("LastIssued of an empty ledger = %v, %v, want the zero time", got, err)
	}
	record(t, l, token(5, as.NewKey, "k1"))
	for _, c := range []struct{ n, want byte }{{3, 5}, {7, 7}, {6, 7}} {
		record(t, l, token(c.n, as.NewKey, "k"+string('0'+rune(c.n))))
		want := start.Add(time.Duration(c.want) * time.Second)
		if got, err := l.LastIssued(t.Context()); err != nil || !got.Equal(want) {
			t.Errorf("LastIssued = %v, %v, want %v", got, err, want)
		}
	}
}

func testCancelled(t *testing.T, l as.Ledger) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Record(ctx, token(1, as.NewKey, "k1")); err == nil {
		t.Error("Record under a cancelled context succeeded")
	}
	if _, err := l.NextSequence(ctx, "", 1); err == nil {
		t.Error("NextSequence under a cancelled context succeeded")
	}
	if _, err := l.LiveToken(ctx, "c", "rs", []byte("k1"), start); err == nil || errors.Is(err, as.ErrNotLive) {
		t.Errorf("LiveToken under a cancelled context: %v, want the context's error", err)
	}
}

// race calls f n times at once.
func race(n int, f func(int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errs
}

func count(errs []error, want error) int {
	n := 0
	for _, err := range errs {
		if errors.Is(err, want) {
			n++
		}
	}
	return n
}
