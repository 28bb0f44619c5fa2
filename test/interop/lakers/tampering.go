package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary/edhoc"
)

// flippedBits flips, in each message, one bit of each byte, in handshakes of their own.
// Who receives the message refuses it. message_1 is not protected: what it means may
// show only in message_2, which who has sent message_1 refuses then.
func flippedBits(ctx context.Context, _ *role, h *handshake) error {
	for number := 1; number <= 4; number++ {
		for i, size := 0, 1; i < size; i++ {
			h.underway = func(n int, message []byte) []byte {
				if n == number {
					size = len(message)
					message[i] ^= 1 << (i % 8)
				}
				return message
			}
			if err := h.wantTampered(ctx, number); err != nil {
				return fmt.Errorf("bit %d of byte %d: %w", i%8, i, err)
			}
		}
	}
	return nil
}

// otherHandshake replaces each message by that of an earlier handshake.
func otherHandshake(ctx context.Context, _ *role, h *handshake) error {
	var earlier [5][]byte
	h.underway = func(n int, message []byte) []byte {
		earlier[n] = slices.Clone(message)
		return message
	}
	if err := h.run(ctx); err != nil {
		return err
	}
	for number := 1; number <= 4; number++ {
		h.underway = func(n int, message []byte) []byte {
			if n == number {
				return earlier[n]
			}
			return message
		}
		if err := h.wantTampered(ctx, number); err != nil {
			return err
		}
	}
	return nil
}

// wantTampered returns an error unless a message that was changed ends the handshake.
func (h *handshake) wantTampered(ctx context.Context, number int) error {
	err := h.run(ctx)
	ours := !slices.Contains(h.sent(), number)
	if number == 1 && wantRefusal(err, !ours, 2) == nil {
		return nil
	}
	return wantRefusal(err, ours, number)
}

// wrongCredential has each side trust another key under the key identifier of the
// other.
func wrongCredential(ctx context.Context, _ *role, h *handshake) error {
	// under returns a CCS like that of one identity, with the key of another.
	under := func(id, key *edhoc.Identity) (*edhoc.Credential, error) {
		return edhoc.NewCCS(key.Key.Public(), id.Credential.Subject(), id.Credential.KID())
	}
	wrong, err := under(h.other(), h.own())
	if err != nil {
		return err
	}
	receives := []int{2, 3} // us, lakers
	if !h.weInitiate {
		receives = []int{3, 2}
	}
	right := h.trusted
	h.trusted = []*edhoc.Credential{wrong}
	refusal := h.run(ctx)
	if err := wantRefusal(refusal, true, receives[0]); err != nil {
		return err
	}
	if receives[0] == 2 {
		if err := h.reject(ctx, refusal); err != nil {
			return err
		}
	}
	// With the right one beside it, the wrong one does no harm.
	h.trusted = []*edhoc.Credential{wrong, right[0]}
	if err := h.run(ctx); err != nil {
		return err
	}
	if h.lakersTrusts, err = under(h.own(), h.other()); err != nil {
		return err
	}
	return wantRefusal(h.run(ctx), false, receives[1])
}

// unknownCredential has each side know nothing of the credential of the other.
func unknownCredential(ctx context.Context, _ *role, h *handshake) error {
	right := h.trusted
	h.trusted = nil
	receives := []int{2, 3}
	if !h.weInitiate {
		receives = []int{3, 2}
	}
	err := h.run(ctx)
	if err := wantRefusal(err, true, receives[0]); err != nil {
		return err
	}
	var e *edhoc.Error
	if !errors.As(err, &e) || e.Code != edhoc.CodeUnknownCredential {
		return fmt.Errorf("refused with %w, want code %d", err, edhoc.CodeUnknownCredential)
	}
	h.trusted, h.lakersTrusts = right, right[0] // whose key identifier is another
	return wantRefusal(h.run(ctx), false, receives[1])
}
