package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/ostiary/ostiary/internal/vector"
	"github.com/ostiary/ostiary/oscore"
)

// A Transcript is what went over the wire in one run, and all that it takes to
// read it. Its secrets were made for the run.
type Transcript struct {
	About  string `json:"about"`
	Client string `json:"client"` // the implementations
	Server string `json:"server"`

	Context Context `json:"context"`

	// Ours says that the server is this module's, so that its responses are
	// made again in the replay, too, and not only verified.
	Ours bool `json:"ours,omitempty"`

	// ServerRandom is what the association of the server has read from its
	// source of randomness, if it is ours and has told.
	ServerRandom vector.Hex `json:"server_random,omitempty"`

	// EDHOC is there if the context comes of a handshake in the datagrams.
	EDHOC *Handshake `json:"edhoc,omitempty"`

	// Material is the input material that the authorization server gave for
	// the context, as the CBOR of a cnf (RFC 9203, Section 3.2.1).
	Material vector.Hex `json:"material,omitempty"`

	Datagrams []Datagram `json:"datagrams"`
}

// Context is the input parameters of the security context with the default
// algorithms, as the client has them.
type Context struct {
	MasterSecret vector.Hex `json:"master_secret"`
	MasterSalt   vector.Hex `json:"master_salt"`
	IDContext    vector.Hex `json:"id_context,omitempty"`
	SenderID     vector.Hex `json:"sender_id"`
	RecipientID  vector.Hex `json:"recipient_id"`

	// OmitKIDContext says that the client leaves the ID Context out of its
	// requests (oscore.Config).
	OmitKIDContext bool `json:"omit_kid_context,omitempty"`
}

// Params returns the parameters as the client has them.
func (c *Context) Params() oscore.Params {
	p := oscore.Params{
		MasterSecret: []byte(c.MasterSecret), MasterSalt: c.MasterSalt,
		SenderID: c.SenderID, RecipientID: c.RecipientID,
	}
	if len(c.IDContext) > 0 {
		p.IDContext = c.IDContext
	}
	return p
}

// NewContext is the reverse of Params.
func NewContext(p *oscore.Params) Context {
	return Context{
		MasterSecret: vector.Hex(p.MasterSecret), MasterSalt: p.MasterSalt, IDContext: p.IDContext,
		SenderID: p.SenderID, RecipientID: p.RecipientID,
	}
}

// Senders of a Datagram.
const (
	FromClient = "client"
	FromServer = "server"
)

// A Datagram is one that was sent, and what is inside of it.
type Datagram struct {
	Case   string     `json:"case"`
	From   string     `json:"from"`
	Client int        `json:"client,omitempty"` // number of the client's socket
	Bytes  vector.Hex `json:"bytes"`

	// Rederive says that the server was asked for a new context before this
	// datagram arrived.
	Rederive bool `json:"rederive,omitempty"`

	// Inner is the message inside OSCORE, nil if there is none.
	Inner *Message `json:"inner,omitempty"`
}

// Plain returns the code and the payload of the message on the wire.
func (d *Datagram) Plain() (oscore.Code, []byte, error) {
	w, err := parseWire(d.Bytes)
	if err != nil {
		return 0, nil, err
	}
	return w.message.Code, w.message.Payload, nil
}

// A Message is an oscore.Message in JSON.
type Message struct {
	Code    string     `json:"code"` // such as "0.01" and "2.05"
	Options []Option   `json:"options,omitempty"`
	Payload vector.Hex `json:"payload,omitempty"`
}

// An Option is an oscore.Option in JSON.
type Option struct {
	Number uint16     `json:"number"`
	Value  vector.Hex `json:"value"`
}

func newMessage(m oscore.Message) *Message {
	x := &Message{Code: m.Code.String(), Payload: m.Payload}
	for _, o := range m.Options {
		x.Options = append(x.Options, Option{o.Number, o.Value})
	}
	return x
}

// String shows a message in one line.
func (m *Message) String() string {
	var b strings.Builder
	b.WriteString(m.Code)
	for _, o := range m.Options {
		fmt.Fprintf(&b, " %d:%x", o.Number, []byte(o.Value))
	}
	if len(m.Payload) > 0 {
		fmt.Fprintf(&b, " | %x", []byte(m.Payload))
	}
	return b.String()
}

// Load reads a file of Save.
func Load(path string) (*Transcript, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var t Transcript
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &t, nil
}

// Save writes t to a file, one datagram a line.
func (t *Transcript) Save(path string) error {
	head := *t
	head.Datagrams = []Datagram{}
	text, err := json.MarshalIndent(&head, "", "  ")
	if err != nil {
		return err
	}
	out := bytes.NewBuffer(bytes.TrimSuffix(text, []byte("[]\n}")))
	for i := range t.Datagrams {
		line, err := json.Marshal(&t.Datagrams[i])
		if err != nil {
			return err
		}
		out.WriteString([]string{"[\n    ", ",\n    "}[min(i, 1)])
		out.Write(line)
	}
	out.WriteString("\n  ]\n}\n")
	return os.WriteFile(path, out.Bytes(), 0o644)
}
