package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary/edhoc"
)

// A handshake is what the two sides do in one between us and lakers.
type handshake struct {
	*conversation
	weInitiate           bool
	initiator, responder edhoc.Identity
	methods              []edhoc.Method // ours
	suites               []edhoc.SuiteID
	cI, cR               edhoc.ConnID
	message4             bool
	ead                  [5][]edhoc.EADItem // that is sent, by the number of the message
	labels               []int64            // that we know

	// trusted is what we trust, and lakersTrusts what lakers does; if that is nil, it is
	// the credential of credentials.json.
	trusted      []*edhoc.Credential
	lakersTrusts *edhoc.Credential

	// underway changes a message between the sides. It may be nil.
	underway func(number int, message []byte) []byte
}

// A refusal is the end that one side gives to a handshake.
type refusal struct {
	ours    bool
	message int   // that was refused
	err     error // of package edhoc, or a refusedError
}

func (r *refusal) Error() string {
	return fmt.Sprintf("message_%d is refused: %v", r.message, r.err)
}

func (r *refusal) Unwrap() error { return r.err }

// refused makes a refusal of an error of ours about a message, or else returns it as
// it is.
func refused(number int, err error) error {
	var e *edhoc.Error
	if errors.As(err, &e) {
		return &refusal{ours: true, message: number, err: err}
	}
	return err
}

func (h *handshake) config() edhoc.Config {
	own := h.responder
	if h.weInitiate {
		own = h.initiator
	}
	return edhoc.Config{
		Methods: h.methods, Suites: h.suites, Identities: []edhoc.Identity{own}, EADLabels: h.labels, Rand: h.random,
	}
}

// run does the handshake, and compares the keys.
func (h *handshake) run(ctx context.Context) error {
	if !h.weInitiate {
		return h.respond(ctx)
	}
	i, err := edhoc.NewInitiator(h.config())
	if err != nil {
		return err
	}
	return h.initiate(ctx, i)
}

func (h *handshake) initiate(ctx context.Context, i *edhoc.Initiator) error {
	message1, awaiting, err := i.ComposeMessage1(h.cI, h.ead[1]...)
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
		return refused(2, err)
	}
	verified, err := received.Verify(h.candidates(received.IDCredR, h.responder)...)
	if err != nil {
		return refused(2, err)
	}
	if err := errors.Join(want("C_R", []byte(received.CR), []byte(h.cR)), h.wantEAD(2, received.EAD2)); err != nil {
		return err
	}
	message3, sent, err := verified.ComposeMessage3(h.ead[3]...)
	if err != nil {
		return err
	}
	if err := h.give(ctx, 3, message3); err != nil {
		return err
	}
	if !h.message4 {
		session, err := sent.WithoutMessage4()
		return errors.Join(err, h.complete(ctx, session))
	}
	message4, err := h.take(ctx, 4, "", edhoc.Identity{})
	if err != nil {
		return err
	}
	session, ead4, err := sent.ProcessMessage4(message4)
	if err != nil {
		return refused(4, err)
	}
	return errors.Join(h.wantEAD(4, ead4), h.agree(ctx, session))
}

func (h *handshake) respond(ctx context.Context) error {
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
		return refused(1, err)
	}
	// lakers finds out when message_1 was changed, and until then we do as it says.
	if h.underway == nil {
		if err := errors.Join(want("C_I", []byte(offered.CI), []byte(h.cI)), h.wantEAD(1, offered.EAD1)); err != nil {
			return err
		}
	}
	message2, awaiting, err := offered.ComposeMessage2(h.cR, h.ead[2]...)
	if err != nil {
		return refused(1, err)
	}
	if err := h.give(ctx, 2, message2); err != nil {
		return err
	}
	message3, err := h.take(ctx, 3, "", h.initiator)
	if err != nil {
		return err
	}
	received, err := awaiting.ProcessMessage3(message3)
	if err != nil {
		return refused(3, err)
	}
	verified, err := received.Verify(h.candidates(received.IDCredI, h.initiator)...)
	if err != nil {
		return refused(3, err)
	}
	if err := h.wantEAD(3, received.EAD3); err != nil {
		return err
	}
	if !h.message4 {
		session, err := verified.WithoutMessage4()
		return errors.Join(err, h.complete(ctx, session))
	}
	message4, session, err := verified.ComposeMessage4(h.ead[4]...)
	if err != nil {
		return err
	}
	if err := h.give(ctx, 4, message4); err != nil {
		return err
	}
	return h.agree(ctx, session)
}

// candidates are the credentials that we trust, if lakers names itself as it should.
func (h *handshake) candidates(id edhoc.IDCred, of edhoc.Identity) []*edhoc.Credential {
	if !bytes.Equal(id.Header(), of.ID.Header()) {
		return nil
	}
	return h.trusted
}

// wantEAD compares the EAD items that we are given with those that lakers has sent.
func (h *handshake) wantEAD(number int, got []edhoc.EADItem) error {
	known := slices.DeleteFunc(slices.Clone(h.ead[number]), func(it edhoc.EADItem) bool { return !slices.Contains(h.labels, it.Label) })
	return wantEAD(number, got, known)
}

// carry takes a message to the other side.
func (h *handshake) carry(number int, message []byte) []byte {
	if h.underway == nil {
		return message
	}
	return h.underway(number, slices.Clone(message))
}

// give has lakers process a message of ours.
func (h *handshake) give(ctx context.Context, number int, message []byte) error {
	r := request{Do: fmt.Sprintf("process_%d", number), Message: h.carry(number, message)}
	if h.lakersTrusts != nil && (number == 2 || number == 3) {
		r.Trusted = h.lakersTrusts.CRED()
	}
	a, err := h.ask(ctx, r)
	var no refusedError
	if errors.As(err, &no) {
		return &refusal{message: number, err: err}
	}
	if err != nil || h.underway != nil {
		return err
	}
	switch number {
	case 1:
		err = want("C_I", a.C, []byte(h.cI))
	case 2:
		err = errors.Join(want("C_R", a.C, []byte(h.cR)), want("ID_CRED_R", a.IDCred, h.responder.ID.Header()))
	case 3:
		err = want("ID_CRED_I", a.IDCred, h.initiator.ID.Header())
	}
	return errors.Join(err, wantEAD(number, fromJSON(a.EAD), h.ead[number]))
}

// take has lakers compose a message, with a connection identifier and an identity if
// they belong to the message.
func (h *handshake) take(ctx context.Context, number int, c edhoc.ConnID, id edhoc.Identity) ([]byte, error) {
	a, err := h.ask(ctx, request{
		Do: fmt.Sprintf("compose_%d", number), C: []byte(c), EAD: toJSON(h.ead[number]),
		ByValue: id.Credential != nil && !id.ID.ByReference(),
	})
	var no refusedError
	if errors.As(err, &no) { // it sees only now what was wrong with the message before
		return nil, &refusal{message: number - 1, err: err}
	}
	if err != nil {
		return nil, err
	}
	return h.carry(number, a.Message), nil
}

// complete ends a handshake without message_4.
func (h *handshake) complete(ctx context.Context, s *edhoc.Session) error {
	if _, err := h.ask(ctx, request{Do: "complete"}); err != nil {
		return err
	}
	return h.agree(ctx, s)
}
