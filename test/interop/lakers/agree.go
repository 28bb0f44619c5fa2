package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
)

// agree compares what both sides derive: the OSCORE context, exports for other uses,
// and all of that after each of two key updates.
func (h *handshake) agree(ctx context.Context, s *edhoc.Session) error {
	if err := h.sameKeys(ctx, s); err != nil {
		return err
	}
	for _, update := range []string{"", "context of an update"} {
		if _, err := h.ask(ctx, request{Do: "update", Context: []byte(update)}); err != nil {
			return err
		}
		if err := errors.Join(s.KeyUpdate([]byte(update)), h.sameKeys(ctx, s)); err != nil {
			return fmt.Errorf("after EDHOC_KeyUpdate with %q: %w", update, err)
		}
	}
	return nil
}

// Labels of EDHOC_Exporter (RFC 9528, Section 10.1).
const (
	labelMasterSecret = 0
	labelMasterSalt   = 1
)

func (h *handshake) sameKeys(ctx context.Context, s *edhoc.Session) error {
	p, err := oscorekeys.Params(s, oscorekeys.Lengths{})
	if err != nil {
		return err
	}
	ids := []edhoc.ConnID{h.cI, h.cR}
	if h.weInitiate {
		ids = []edhoc.ConnID{h.cR, h.cI}
	}
	err = errors.Join(
		want("Sender ID", p.SenderID, []byte(ids[0])), want("Recipient ID", p.RecipientID, []byte(ids[1])),
		h.exports(ctx, labelMasterSecret, nil, p.MasterSecret), h.exports(ctx, labelMasterSalt, nil, p.MasterSalt),
	)
	for _, x := range []struct {
		label   uint16
		context string
		length  int
	}{{2, "", 32}, {22, "context", 1}, {23, "a context of more than 23 bytes", 100}} {
		ours, e := s.Export(x.label, []byte(x.context), x.length)
		err = errors.Join(err, e, h.exports(ctx, x.label, []byte(x.context), ours))
	}
	return err
}

// exports compares an export of ours with that of lakers.
func (h *handshake) exports(ctx context.Context, label uint16, context, ours []byte) error {
	a, err := h.ask(ctx, request{Do: "export", Label: label, Context: context, Length: len(ours)})
	if err != nil {
		return err
	}
	if err := want("it", a.Exported, ours); err != nil {
		return fmt.Errorf("EDHOC_Exporter(%d, %x, %d): %w", label, context, len(ours), err)
	}
	return nil
}
