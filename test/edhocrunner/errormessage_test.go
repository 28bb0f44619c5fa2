package edhocrunner

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

// misbehavioursErrors are error messages, good ones and bad ones, in place of each message.
// None is answered but with silence, unless it is no error message at all.
func misbehavioursErrors() []misbehaviour {
	var all []misbehaviour
	for n, section := range []string{1: "5.2.1", 2: "5.3.1", 3: "5.4.1", 4: "5.5.1"} {
		if n == 0 {
			continue
		}
		step, message := fmt.Sprintf("ProcessMessage%d", n), fmt.Sprintf("message_%d", n)
		put := func(name string, want refusal, msg ...[]byte) {
			all = append(all, misbehaviour{
				name: fmt.Sprintf("%s instead of message_%d", name, n), as: role(n%2 == 0), bug: sent(message, constant(Sequence(msg...))), want: want,
			})
		}
		put("error 0", ended(step, 0), Int(0), Text(""))
		put("error 1", ended(step, 1), Int(1), Text("out of order"))
		put("error 1 without a word", ended(step, 1), Int(1), Text(""))
		put("error 1 with a number", ended(step, 1), Int(1), Int(7))
		put("error 1 with a byte string", ended(step, 1), Int(1), Bytes([]byte("text")))
		put("error 2 with a suite", ended(step, 2), Int(2), Int(3))
		put("error 2 with the suite that is used", ended(step, 2), Int(2), Int(2))
		put("error 2 with suites", ended(step, 2), Int(2), Array(Int(2), Int(3)))
		put("error 2 with an empty array", ended(step, 2), Int(2), Array())
		put("error 2 with an array of one", ended(step, 2), Int(2), Array(Int(3)))
		put("error 2 with a text", ended(step, 2), Int(2), Text("2"))
		put("error 3", ended(step, 3), Int(3), []byte{0xf5})
		put("error 3 with false", ended(step, 3), Int(3), []byte{0xf4})
		put("error 23", ended(step, 23), Int(23), []byte{0xf6})
		put("error 4711", ended(step, 4711), Int(4711), Map(Int(1), Array(Int(2))))
		put("error -1", ended(step, -1), Int(-1), Bytes(nil))
		put("error code alone", refused(step, section), Int(1))
		put("error of three items", refused(step, section), Int(1), Text("a"), Text("b"))
		put("error code as a text", refused(step, section), Text("1"), Text("a"))
		put("error code that is not minimal", refused(step, section), []byte{0x18, 1}, Text("a"))
		put("error with a text that is not minimal", refused(step, section), Int(1), Wide(Text("a"), 1))
		put("error with bad UTF-8", refused(step, section), Int(1), Text("\xff"))
		put("error with a map that has a key twice", refused(step, section), Int(99), Map(Int(1), Int(1), Int(1), Int(1)))
	}
	return all
}

// An Initiator that is told code 2 tries another suite at most, and never one that it
// prefers less than another that the Responder says it has.
//
//spec:9528-5.2.2-3
//spec:9528-6.3.1-1
func TestRetry(t *testing.T) {
	var c edhoc.Config
	for _, suite := range []int64{6, 3, 2} {
		one := setting{method: 3, suite: suite}.config(t, true)
		c.Methods, c.Suites = one.Methods, append(c.Suites, one.Suites...)
		c.Identities = append(c.Identities, one.Identities...)
	}
	i, err := edhoc.NewInitiator(c)
	must(t, err)
	told := func(suites []byte) (*edhoc.Initiator, error) {
		t.Helper()
		_, a2, err := i.ComposeMessage1("\x05")
		must(t, err)
		var e *edhoc.PeerError
		if _, err := a2.ProcessMessage2(Sequence(Int(2), suites)); !errors.As(err, &e) {
			t.Fatalf("SUITES_R %x: %v", suites, err)
		}
		return i.Retry(e)
	}
	for _, suites := range [][]byte{Int(6), Array(Int(2), Int(6)), Int(99), Array(Int(7), Int(8)), Array(), Array(Int(2)), Text("2")} {
		if next, err := told(suites); !errors.Is(err, edhoc.ErrNoCommonSuite) {
			t.Errorf("SUITES_R %x: %v, %v", suites, next, err)
		}
	}
	for want, suites := range map[int64][]byte{2: Array(Int(99), Int(2)), 3: Array(Int(2), Int(3))} {
		next, err := told(suites)
		must(t, err)
		msg1, _, err := next.ComposeMessage1("\x05")
		must(t, err)
		items, err := Split(msg1)
		must(t, err)
		got, err := suitesIn(items[1])
		must(t, err)
		if full := []int64{6, 3, 2}; !slices.Equal(got, full[:slices.Index(full, want)+1]) {
			t.Errorf("SUITES_R %x is followed by SUITES_I %v", suites, got)
		}
	}
	var e *edhoc.PeerError
	_, a2, err := i.ComposeMessage1("\x05")
	must(t, err)
	if _, err := a2.ProcessMessage2(Sequence(Int(1), Text("no"))); !errors.As(err, &e) {
		t.Fatal(err)
	}
	if _, err := i.Retry(e); !errors.Is(err, edhoc.ErrConfig) {
		t.Errorf("after code 1: %v", err)
	}
}
