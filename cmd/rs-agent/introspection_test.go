package main

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// TestAnswers: one question for each token in the life of an answer; a failure is no
// answer; and no more of them are kept than so many.
func TestAnswers(t *testing.T) {
	now, asked, failed := time.Now(), 0, error(nil)
	c := newAnswers(func([]byte) (*ace.IntrospectionResponse, error) {
		asked++
		if failed != nil {
			return nil, failed
		}
		return &ace.IntrospectionResponse{Active: true}, nil
	})
	c.now = func() time.Time { return now }
	get := func(token string, want int) {
		t.Helper()
		if r, err := c.get([]byte(token)); err != nil || !r.Active || asked != want {
			t.Errorf("got %v, %v after %d questions, want %d", r, err, asked, want)
		}
	}
	get("a", 1)
	get("a", 1)
	get("b", 2)
	now = now.Add(answerLife)
	get("a", 3)
	failed = errors.New("no route")
	for range 2 { // also where there was an answer
		if _, err := c.get([]byte("b")); err == nil {
			t.Error("a failure is taken for an answer")
		}
	}
	get("a", 5)
	failed = nil
	for i := range uint32(3 * maxAnswers) {
		if _, err := c.get(binary.BigEndian.AppendUint32(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.byToken) > maxAnswers {
		t.Errorf("%d answers are kept, want %d at most", len(c.byToken), maxAnswers)
	}
}
