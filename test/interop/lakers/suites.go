package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/edhoc"
)

// suites agrees on suite 2 although we prefer 3, and fails where we have 3 alone.
func suites(ctx context.Context, r *role, h *handshake) error {
	if r.weInitiate {
		return h.negotiate(ctx)
	}
	h.suites = []edhoc.SuiteID{3}
	err := h.run(ctx)
	if err := wantRefusal(err, true, 1); err != nil {
		return err
	}
	if err := want("the error message", edhoc.ErrorMessage(errors.Unwrap(err)), []byte{2, 3}); err != nil {
		return err
	}
	if err := h.reject(ctx, err); err != nil {
		return err
	}
	h.suites = []edhoc.SuiteID{3, 2}
	return h.run(ctx)
}

// negotiate has lakers refuse the suite that we select at first. Its error message is
// what a Responder with suite 2 says: lakers-python makes none.
func (h *handshake) negotiate(ctx context.Context) error {
	h.suites = []edhoc.SuiteID{3, 2}
	i, err := edhoc.NewInitiator(h.config())
	if err != nil {
		return err
	}
	message1, awaiting, err := i.ComposeMessage1(h.cI)
	if err != nil {
		return err
	}
	if err := wantRefusal(h.give(ctx, 1, message1), false, 1); err != nil {
		return err
	}
	_, err = awaiting.ProcessMessage2([]byte{2, 2})
	var e *edhoc.PeerError
	if !errors.As(err, &e) {
		return fmt.Errorf("an error message of lakers gives %w", err)
	}
	if i, err = i.Retry(e); err != nil {
		return err
	}
	return h.initiate(ctx, i)
}

// suitesGREASE offers a suite that draft-ietf-lake-edhoc-grease reserves.
func suitesGREASE(ctx context.Context, _ *role, h *handshake) error {
	h.suites = []edhoc.SuiteID{160, 2}
	return h.run(ctx)
}
