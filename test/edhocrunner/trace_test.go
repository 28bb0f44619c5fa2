package edhocrunner

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// The runner on both sides computes each value of RFC 9529.
func TestRFC9529(t *testing.T) {
	type trace = map[string]any
	v := vector.Load[map[string]any](t, "testdata/rfc9529/traces.json")
	t.Run("Section 2", func(t *testing.T) { runTrace(t, v["trace_1"].(trace), 0, []int64{0}, Ed25519) })
	t.Run("Section 3", func(t *testing.T) { runTrace(t, v["trace_2"].(trace), 3, []int64{6, 2}, P256) })
}

func runTrace(t *testing.T, trace map[string]any, method int64, suites []int64, curve int64) {
	get := func(name string) []byte {
		t.Helper()
		s, ok := trace[name].(string)
		if !ok {
			t.Fatalf("no %s in the trace", name)
		}
		return vector.Bytes(t, s)
	}
	identity := func(x string) Identity {
		k, err := NewKey(curve, get("SK_"+x+"_raw"))
		must(t, err)
		return Identity{CRED: get("CRED_" + x + "_cbor"), ID: get("ID_CRED_" + x + "_cbor"), Key: k}
	}
	i := &Peer{Initiator: true, Method: method, SuitesI: suites, Own: identity("I"), Other: identity("R"), C: get("C_I_raw"), Ephemeral: get("X_raw")}
	r := &Peer{Method: method, Own: identity("R"), Other: identity("I"), C: get("C_R_raw"), Ephemeral: get("Y_raw")}
	if method == 3 { // suite 6 is one that the Responder of the trace lacks, and the runner has
		r.lacks = []int64{6}
	}
	msg1, err := i.WriteMessage1()
	must(t, err)
	must(t, r.ReadMessage1(msg1))
	msg2, err := r.WriteMessage2()
	must(t, err)
	must(t, i.ReadMessage2(msg2))
	msg3, err := i.WriteMessage3()
	must(t, err)
	must(t, r.ReadMessage3(msg3))
	msg4, err := r.WriteMessage4()
	must(t, err)
	must(t, i.ReadMessage4(msg4))

	compared := map[string]bool{}
	for _, p := range []*Peer{i, r} {
		for name, got := range p.Values {
			for suffix, got := range map[string][]byte{"": got, "_raw": got, "_cbor": Bytes(got), "_bstr": Bytes(got)} {
				if strings.HasPrefix(name, "A_") || strings.HasPrefix(name, "M_") {
					got = p.Values[name] // an array, not a byte string
				}
				if _, ok := trace[name+suffix].(string); !ok {
					continue
				}
				compared[name+suffix] = true
				if want := get(name + suffix); !bytes.Equal(got, want) {
					t.Errorf("%s is %x, want %x", name+suffix, got, want)
				}
			}
		}
	}
	if len(compared) < 60 {
		t.Errorf("%d values compared", len(compared))
	}

	export := func(name string, label int64, n int) {
		t.Helper()
		for _, p := range []*Peer{i, r} {
			got, err := p.Export(label, nil, n)
			must(t, err)
			if want := get(name); !bytes.Equal(got, want) {
				t.Errorf("%s is %x, want %x", name, got, want)
			}
		}
	}
	export("OSCORE_master_secret_raw", 0, 16)
	export("OSCORE_master_salt_raw", 1, 8)
	for _, p := range []*Peer{i, r} {
		must(t, p.KeyUpdate(get("key_update_context_raw")))
		for _, name := range []string{"PRK_out", "PRK_exporter"} {
			if want := get(name + "_after_KeyUpdate_raw"); !bytes.Equal(p.Values[name], want) {
				t.Errorf("%s is %x, want %x", name, p.Values[name], want)
			}
		}
	}
	export("OSCORE_master_secret_after_KeyUpdate_raw", 0, 16)
	export("OSCORE_master_salt_after_KeyUpdate_raw", 1, 8)
}
