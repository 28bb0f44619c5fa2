package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/edhoc"
)

// knownEAD sends items that both sides know in every message.
func knownEAD(ctx context.Context, _ *role, h *handshake) error {
	h.labels = []int64{1, 24, 600, 65535}
	h.ead = [5][]edhoc.EADItem{
		1: {{Label: 1}},
		2: {{Label: 1, Value: []byte{}}, {Label: 24, Value: []byte("a value")}},
		3: {{Label: 600, Value: bytes.Repeat([]byte{7}, 60)}, {Label: 1}, {Label: 600}, {Label: 65535}},
		4: {{Label: 24, Value: bytes.Repeat([]byte{8}, 24)}},
	}
	return h.run(ctx)
}

// unknownEAD sends, in every message, the items that draft-ietf-lake-edhoc-grease
// reserves, and others that we do not know among some that we do.
func unknownEAD(ctx context.Context, _ *role, h *handshake) error {
	h.labels = []int64{2}
	h.ead = [5][]edhoc.EADItem{
		1: {{Label: 160}, {Label: 2, Value: []byte("known")}},
		2: {{Label: 2}, {Label: 41120, Value: []byte("grease")}, {Label: 3}},
		3: {{Label: 43690, Value: []byte{}}},
		4: {{Label: 44975, Value: make([]byte, 30)}, {Label: 2}},
	}
	return h.run(ctx)
}

// padding pads every message.
func padding(ctx context.Context, _ *role, h *handshake) (err error) {
	for _, n := range []int{1, 2, 30, 100} {
		for i := 1; i <= 4; i++ {
			if h.ead[i], err = edhoc.Padding(n, h.random); err != nil {
				return err
			}
		}
		if err := h.run(ctx); err != nil {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
	}
	return nil
}

// criticalEAD sends, in each message in turn, a critical item that the other side does
// not know, and one from lakers that we know.
func criticalEAD(ctx context.Context, _ *role, h *handshake) error {
	for number := 1; number <= 4; number++ {
		h.labels, h.ead = nil, [5][]edhoc.EADItem{}
		h.ead[number] = []edhoc.EADItem{{Label: 1, Critical: true, Value: []byte("critical")}}
		ours := number != h.sent()[0] && number != h.sent()[1]
		if err := wantRefusal(h.run(ctx), ours, number); err != nil {
			return err
		}
		if !ours {
			continue
		}
		h.labels = []int64{1}
		if err := h.run(ctx); err != nil {
			return fmt.Errorf("known item in message_%d: %w", number, err)
		}
	}
	return nil
}

// errorMessage has our side refuse a message after it was verified, and lakers process
// the error message in place of the next.
func errorMessage(ctx context.Context, r *role, h *handshake) error {
	var err error
	if r.weInitiate {
		err = h.refuseMessage2(ctx)
	} else {
		err = h.refuseMessage1(ctx)
	}
	if err == nil {
		return errors.New("nothing was refused")
	}
	return h.reject(ctx, err)
}

func (h *handshake) refuseMessage1(ctx context.Context) error {
	r, err := edhoc.NewResponder(h.config())
	if err != nil {
		return err
	}
	message1, err := h.take(ctx, 1, h.cI, edhoc.Identity{})
	if err != nil {
		return err
	}
	offered, err := r.ProcessMessage1(message1)
	if err != nil {
		return err
	}
	return &refusal{ours: true, message: 1, err: offered.Refuse("unwanted")}
}

func (h *handshake) refuseMessage2(ctx context.Context) error {
	i, err := edhoc.NewInitiator(h.config())
	if err != nil {
		return err
	}
	message1, awaiting, err := i.ComposeMessage1(h.cI)
	if err != nil {
		return err
	}
	if err := h.give(ctx, 1, message1); err != nil {
		return err
	}
	message2, err := h.take(ctx, 2, h.cR, h.responder)
	if err != nil {
		return err
	}
	received, err := awaiting.ProcessMessage2(message2)
	if err != nil {
		return err
	}
	verified, err := received.Verify(h.trusted...)
	if err != nil {
		return err
	}
	return &refusal{ours: true, message: 2, err: verified.Refuse("unwanted")}
}

// reject has lakers process the error message of a refusal of ours.
func (h *handshake) reject(ctx context.Context, err error) error {
	var r *refusal
	if !errors.As(err, &r) || !r.ours {
		return err
	}
	message := edhoc.ErrorMessage(r.err)
	if message == nil {
		return fmt.Errorf("no error message after %w", err)
	}
	_, err = h.ask(ctx, request{Do: fmt.Sprintf("process_%d", r.message+1), Message: message})
	var no refusedError
	if errors.As(err, &no) {
		return nil
	}
	return fmt.Errorf("lakers takes the error message for message_%d: %w", r.message+1, err)
}
