package store

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

// Records are CBOR maps with integer keys. A key is never used for another
// purpose; an absent one has its zero value.

// clientRecord is the record of table clients.
type clientRecord struct {
	Suspended bool     `cbor:"1,keyasint,omitempty"`
	Groups    []string `cbor:"2,keyasint,omitempty"`
	Profiles  []int64  `cbor:"3,keyasint,omitempty"`
	Audience  string   `cbor:"4,keyasint,omitempty"`
	Scope     []byte   `cbor:"5,keyasint,omitempty"` // CBOR item
	Keys      [][]byte `cbor:"6,keyasint,omitempty"` // COSE_Keys

	Credentials [][]byte `cbor:"7,keyasint,omitempty"` // CBOR items
	CertSubject string   `cbor:"8,keyasint,omitempty"`
}

// checkName refuses a name that is none, that could be taken for the subject of
// another kind, or that a credential or a file cannot hold as it is.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("no name")
	case strings.ContainsFunc(name, unicode.IsControl): // NUL is the mark of another kind
		return errors.New("control character in a name")
	case !utf8.ValidString(name):
		return errors.New("name is not UTF-8")
	}
	return nil
}

func encodeClient(c as.Client) ([]byte, error) {
	if err := checkName(c.Name); err != nil {
		return nil, err
	}
	r := clientRecord{
		Suspended: c.Suspended, Groups: c.Groups, Profiles: integers(c.Profiles), Audience: c.Audience, Scope: c.Scope.Append(nil),
		Credentials: c.Credentials, CertSubject: c.CertSubject,
	}
	for _, k := range c.Keys {
		r.Keys = append(r.Keys, k.Append(nil))
	}
	b, err := cborseq.Marshal(r)
	if err == nil {
		_, err = decodeClient(c.Name, b)
	}
	return b, err
}

func decodeClient(name string, b []byte) (as.Client, error) {
	var r clientRecord
	if err := cborseq.Unmarshal(b, &r); err != nil {
		return as.Client{}, fmt.Errorf("record of client %q: %w", name, err)
	}
	c := as.Client{
		Name: name, Suspended: r.Suspended, Groups: r.Groups, Profiles: converted[ace.Profile](r.Profiles), Audience: r.Audience,
		Credentials: r.Credentials, CertSubject: r.CertSubject,
	}
	var err error
	if c.Scope, err = parseScope(r.Scope); err != nil {
		return as.Client{}, fmt.Errorf("record of client %q: %w", name, err)
	}
	for _, b := range r.Keys {
		k, err := ace.ParseKey(b)
		if err != nil {
			return as.Client{}, fmt.Errorf("record of client %q: %w", name, err)
		}
		c.Keys = append(c.Keys, k)
	}
	return c, nil
}

// serverRecord is the record of table resource_servers.
type serverRecord struct {
	Profiles  []int64     `cbor:"1,keyasint,omitempty"`
	Key       []byte      `cbor:"2,keyasint,omitempty"` // COSE_Key
	Curves    []int64     `cbor:"3,keyasint,omitempty"`
	Lifetime  int64       `cbor:"4,keyasint,omitempty"` // nanoseconds
	ExpiresIn bool        `cbor:"5,keyasint,omitempty"`
	ContextID bool        `cbor:"6,keyasint,omitempty"`
	AEAD      int64       `cbor:"7,keyasint,omitempty"`
	HKDF      int64       `cbor:"8,keyasint,omitempty"`
	Scopes    uint8       `cbor:"9,keyasint,omitempty"`
	MaxScope  int         `cbor:"10,keyasint,omitempty"`
	MaxToken  int         `cbor:"11,keyasint,omitempty"`
	Claims    claimRecord `cbor:"12,keyasint"`
	Token     tokenRecord `cbor:"13,keyasint"`
	Audiences []string    `cbor:"14,keyasint,omitempty"`

	Introspection uint8    `cbor:"15,keyasint,omitempty"`
	Credentials   [][]byte `cbor:"16,keyasint,omitempty"` // CBOR items
	CertSubject   string   `cbor:"17,keyasint,omitempty"`
}

type claimRecord struct {
	NoIssuer   bool `cbor:"1,keyasint,omitempty"`
	NoAudience bool `cbor:"2,keyasint,omitempty"`
	NoIssuedAt bool `cbor:"3,keyasint,omitempty"`
	NoCTI      bool `cbor:"4,keyasint,omitempty"`
	Subject    bool `cbor:"5,keyasint,omitempty"`
	Profile    bool `cbor:"6,keyasint,omitempty"`
}

type tokenRecord struct {
	Issuer      string       `cbor:"1,keyasint,omitempty"`
	ID          []byte       `cbor:"2,keyasint,omitempty"`
	Algorithm   int64        `cbor:"3,keyasint,omitempty"`
	Secret      secret.Bytes `cbor:"4,keyasint,omitempty"`
	Signer      secret.Bytes `cbor:"5,keyasint,omitempty"` // PKCS #8
	NoTag61     bool         `cbor:"6,keyasint,omitempty"`
	Unprotected bool         `cbor:"7,keyasint,omitempty"`
}

func encodeServer(s ResourceServer) ([]byte, error) {
	if err := checkName(s.Name); err != nil {
		return nil, err
	}
	r := serverRecord{
		Profiles: integers(s.Profiles), Curves: integers(s.Curves), Lifetime: int64(s.Lifetime),
		ExpiresIn: s.ExpiresIn, ContextID: s.ContextID, AEAD: int64(s.AEAD), HKDF: int64(s.HKDF),
		Scopes: uint8(s.Scopes), MaxScope: s.MaxScope, MaxToken: s.MaxToken, Claims: claimRecord(s.Claims), Audiences: s.Audiences,
		Introspection: uint8(s.Introspection), Credentials: s.Credentials, CertSubject: s.CertSubject,
	}
	if s.Key != nil {
		r.Key = s.Key.Append(nil)
	}
	var err error
	if r.Token, err = encodeTokenKey(s.Token); err != nil {
		return nil, err
	}
	b, err := cborseq.Marshal(r)
	if err == nil {
		_, err = decodeServer(s.Name, b)
	}
	return b, err
}

func decodeServer(name string, b []byte) (ResourceServer, error) {
	var r serverRecord
	if err := cborseq.Unmarshal(b, &r); err != nil {
		return ResourceServer{}, fmt.Errorf("record of resource server %q: %w", name, err)
	}
	s := ResourceServer{Audiences: r.Audiences}
	s.ResourceServer = as.ResourceServer{
		Name: name, Profiles: converted[ace.Profile](r.Profiles), Curves: converted[ace.Curve](r.Curves),
		Lifetime: time.Duration(r.Lifetime), ExpiresIn: r.ExpiresIn, ContextID: r.ContextID,
		AEAD: cose.Algorithm(r.AEAD), HKDF: cose.Algorithm(r.HKDF),
		Scopes: as.ScopeForm(r.Scopes), MaxScope: r.MaxScope, MaxToken: r.MaxToken, Claims: as.ClaimSet(r.Claims),
		Introspection: as.Introspection(r.Introspection), Credentials: r.Credentials, CertSubject: r.CertSubject,
	}
	var err error
	if len(r.Key) > 0 {
		if s.Key, err = ace.ParseKey(r.Key); err != nil {
			return ResourceServer{}, fmt.Errorf("record of resource server %q: %w", name, err)
		}
	}
	if s.Token, err = decodeTokenKey(r.Token); err == nil {
		s.TokenKey, err = ace.NewTokenKey(s.Token)
	}
	if err != nil {
		return ResourceServer{}, fmt.Errorf("record of resource server %q: %w", name, err)
	}
	return s, nil
}

func encodeTokenKey(c ace.TokenKeyConfig) (tokenRecord, error) {
	r := tokenRecord{
		Issuer: c.Issuer, ID: c.ID, Algorithm: int64(c.Algorithm), Secret: c.Secret,
		NoTag61: c.Form.NoTag61, Unprotected: c.Form.Unprotected,
	}
	if c.Signer == nil {
		return r, nil
	}
	var err error
	if r.Signer, err = x509.MarshalPKCS8PrivateKey(c.Signer); err != nil {
		return r, errors.New("signing key cannot be stored: it is not an ECDSA or Ed25519 private key in memory")
	}
	return r, nil
}

func decodeTokenKey(r tokenRecord) (ace.TokenKeyConfig, error) {
	c := ace.TokenKeyConfig{
		Issuer: r.Issuer, ID: r.ID, Algorithm: cose.Algorithm(r.Algorithm), Secret: r.Secret,
		Form: ace.TokenForm{NoTag61: r.NoTag61, Unprotected: r.Unprotected},
	}
	if len(r.Signer) == 0 {
		return c, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(r.Signer)
	if err != nil {
		return c, errors.New("signing key is damaged")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return c, errors.New("signing key cannot sign")
	}
	c.Signer = signer
	return c, nil
}

func integers[T ~int64](in []T) []int64 { return converted[int64](in) }

// converted is in with another element type; nil stays nil.
func converted[To, From ~int64](in []From) []To {
	var out []To
	for _, v := range in {
		out = append(out, To(v))
	}
	return out
}
