package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
	"github.com/ostiary/ostiary/oscore"
)

// A Handshake is what our side of EDHOC had in a run whose context comes of it.
type Handshake struct {
	Initiates bool       `json:"initiates"` // we do
	Random    vector.Hex `json:"random"`    // that was read
	ConnID    vector.Hex `json:"conn_id"`   // C_I or C_R that we gave

	InitiatorByValue bool `json:"initiator_by_value,omitempty"` // the credential
	ResponderByValue bool `json:"responder_by_value,omitempty"`
}

const (
	codePOST = 0x02
	cborTrue = 0xf5
)

// ReplayHandshake takes the part of our side of EDHOC in a recorded run with package
// edhoc. What it sends has to be what was sent, and the keys those of the context.
func (t *Transcript) ReplayHandshake(parties *Parties) error {
	messages, err := t.edhocMessages()
	if err != nil {
		return err
	}
	r := &handshakeReplay{Handshake: t.EDHOC, messages: messages}
	initiator, err1 := parties.Initiator.Identity(r.InitiatorByValue)
	responder, err2 := parties.Responder.Identity(r.ResponderByValue)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	var session *edhoc.Session
	if r.Initiates {
		session, err = r.initiate(initiator, responder)
	} else {
		session, err = r.respond(responder, initiator)
	}
	if err != nil {
		return err
	}
	p, err := oscorekeys.Params(session, oscorekeys.Lengths{})
	if err != nil {
		return err
	}
	if !r.Initiates {
		p = *Other(&p)
	}
	if fmt.Sprint(NewContext(&p)) != fmt.Sprint(t.Context) {
		return errors.New("the handshake gives another context")
	}
	return nil
}

// edhocMessages finds message_1 to message_4 in the datagrams; the last is nil if there
// is none.
func (t *Transcript) edhocMessages() (messages [4][]byte, err error) {
	next := 0
	for i := range t.Datagrams {
		w, err := parseWire(t.Datagrams[i].Bytes)
		if err != nil {
			return messages, err
		}
		message := w.message.Payload
		switch {
		case optionOf(w.message, optionEDHOC) != nil: // message_3 and what is protected
			message, _ = splitEDHOC(message)
		case optionOf(w.message, optionOSCORE) != nil || w.message.Code == 0:
			continue
		case next == 0: // behind true
			message = bytes.TrimPrefix(message, []byte{cborTrue})
		case next == 2: // behind C_R
			_, message, _ = edhoc.ReadConnID(message)
		}
		if next == len(messages) {
			return messages, errors.New("there are more than four messages")
		}
		if len(message) > 0 {
			messages[next] = message
			next++
		}
	}
	if next < 3 {
		return messages, fmt.Errorf("there are %d messages", next)
	}
	return messages, nil
}

// SplitHandshakes parts the datagrams of handshakes that came one after another. Each
// part begins with a message_1.
func SplitHandshakes(datagrams []Datagram) (parts [][]Datagram) {
	for _, d := range datagrams {
		w, err := parseWire(d.Bytes)
		first := err == nil && w.message.Code == codePOST && len(w.message.Payload) > 0 && w.message.Payload[0] == cborTrue &&
			optionOf(w.message, optionOSCORE) == nil
		if first || parts == nil {
			parts = append(parts, nil)
		}
		last := &parts[len(parts)-1]
		*last = append(*last, d)
	}
	return parts
}

type handshakeReplay struct {
	*Handshake
	messages [4][]byte
}

func (r *handshakeReplay) config(own edhoc.Identity) edhoc.Config {
	return edhoc.Config{
		Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{2},
		Identities: []edhoc.Identity{own}, Rand: bytes.NewReader(r.Random),
	}
}

// want compares a message that we have composed with what was sent.
func (r *handshakeReplay) want(number int, got []byte) error {
	if want := r.messages[number-1]; !bytes.Equal(got, want) {
		return fmt.Errorf("message_%d is %x, want %x", number, got, want)
	}
	return nil
}

func (r *handshakeReplay) initiate(own, other edhoc.Identity) (*edhoc.Session, error) {
	i, err := edhoc.NewInitiator(r.config(own))
	if err != nil {
		return nil, err
	}
	message1, awaiting, err := i.ComposeMessage1(edhoc.ConnID(r.ConnID))
	if err = errors.Join(err, r.want(1, message1)); err != nil {
		return nil, err
	}
	received, err := awaiting.ProcessMessage2(r.messages[1])
	if err != nil {
		return nil, err
	}
	verified, err := received.Verify(other.Credential)
	if err != nil {
		return nil, err
	}
	message3, sent, err := verified.ComposeMessage3()
	if err = errors.Join(err, r.want(3, message3)); err != nil {
		return nil, err
	}
	if r.messages[3] == nil {
		return sent.WithoutMessage4()
	}
	session, _, err := sent.ProcessMessage4(r.messages[3])
	return session, err
}

func (r *handshakeReplay) respond(own, other edhoc.Identity) (*edhoc.Session, error) {
	responder, err := edhoc.NewResponder(r.config(own))
	if err != nil {
		return nil, err
	}
	offered, err := responder.ProcessMessage1(r.messages[0])
	if err != nil {
		return nil, err
	}
	message2, awaiting, err := offered.ComposeMessage2(edhoc.ConnID(r.ConnID))
	if err = errors.Join(err, r.want(2, message2)); err != nil {
		return nil, err
	}
	received, err := awaiting.ProcessMessage3(r.messages[2])
	if err != nil {
		return nil, err
	}
	verified, err := received.Verify(other.Credential)
	if err != nil {
		return nil, err
	}
	if r.messages[3] == nil {
		return verified.WithoutMessage4()
	}
	message4, session, err := verified.ComposeMessage4()
	return session, errors.Join(err, r.want(4, message4))
}

// splitEDHOC parts the payload of a combined request (RFC 9668, Section 3.2.1).
func splitEDHOC(payload []byte) (message3, ciphertext []byte) {
	rest := cborseq.String(payload)
	var inside []byte
	if !rest.ReadBytes(&inside) {
		return nil, payload
	}
	return payload[:len(payload)-len(rest)], rest
}

// withoutEDHOC makes an OSCORE request of a combined one.
func withoutEDHOC(m oscore.Message) oscore.Message {
	if optionOf(m, optionEDHOC) == nil {
		return m
	}
	_, m.Payload = splitEDHOC(m.Payload)
	return without(m, optionEDHOC)
}

// SaveAll writes transcripts to a file, each on a line.
func SaveAll(path string, transcripts []*Transcript) error {
	out := new(bytes.Buffer)
	enc := json.NewEncoder(out)
	for _, t := range transcripts {
		if err := enc.Encode(t); err != nil {
			return err
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// LoadAll reads a file of SaveAll.
func LoadAll(path string) (transcripts []*Transcript, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	for dec.More() {
		t := new(Transcript)
		if err := dec.Decode(t); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		transcripts = append(transcripts, t)
	}
	return transcripts, nil
}
