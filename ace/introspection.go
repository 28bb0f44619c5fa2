package ace

import "github.com/ostiary/ostiary/internal/cborseq"

// An IntrospectionRequest is what an RS sends to the introspection endpoint (RFC
// 9200, Section 5.9.1). A token_type_hint, a number or a text, is ignored (RFC 7662,
// Section 2.1).
type IntrospectionRequest struct {
	Token    []byte // token; always there
	ClientID string // client_id

	others []other
}

// ParseIntrospectionRequest decodes the payload. It fails with an *Error.
func ParseIntrospectionRequest(b []byte) (*IntrospectionRequest, error) {
	r := new(IntrospectionRequest)
	f := openFields(b)
	for f.next() {
		switch f.key {
		case keyToken:
			f.ok = f.readSized(&r.Token, 1, maxMessage)
		case keyClientID:
			f.ok = f.readText(&r.ClientID)
		case keyTokenTypeHint:
			hint := f
			var code int64
			f.ok = hint.readCodeOrText(&code) && f.keep(&r.others)
		default:
			f.ok = f.keep(&r.others)
		}
	}
	if !f.end() || r.Token == nil {
		return nil, f.malformed("RFC 9200, Section 5.9.1", "introspection request")
	}
	return r, nil
}

// Append appends the payload to dst.
//
//spec:9200-5.9.1-2
func (r *IntrospectionRequest) Append(dst []byte) []byte {
	w := writeFields(dst, r.others)
	w.bytes(keyToken, r.Token)
	w.text(keyClientID, r.ClientID)
	return w.end()
}

// An IntrospectionResponse is the payload of the 2.01 of the introspection
// endpoint (RFC 9200, Section 5.9.2). Of a token that is not active nothing but
// that is known.
type IntrospectionResponse struct {
	Active    bool // active; always there
	ClientID  string
	TokenType TokenType // 0: not said
	Username  string
	Claims

	others []other
}

// ParseIntrospectionResponse decodes the payload. It fails with an *Error.
func ParseIntrospectionResponse(b []byte) (*IntrospectionResponse, error) {
	r := new(IntrospectionResponse)
	active := false
	f := openFields(b)
	for f.next() {
		switch f.key {
		case keyActive:
			active = true
			f.ok = f.s.ReadBool(&r.Active)
		case keyClientID:
			f.ok = f.readText(&r.ClientID)
		case keyTokenType:
			f.ok = readCode(&f, &r.TokenType)
		case keyUsername:
			f.ok = f.readText(&r.Username)
		default:
			if !r.read(&f) {
				f.ok = f.keep(&r.others)
			}
		}
	}
	if !f.end() || !active {
		return nil, f.malformed("RFC 9200, Section 5.9.2", "introspection response")
	}
	return r, nil
}

// Append appends the payload to dst, with the secret that a cnf may hold.
//
//spec:9200-5.9.2-1
//spec:9200-5.9.2-4
//spec:9201-4-1
func (r *IntrospectionResponse) Append(dst []byte) []byte {
	w := writeFields(dst, r.others)
	r.writeFirst(&w)
	w.key(keyActive)
	w.b = cborseq.AppendBool(w.b, r.Active)
	w.text(keyClientID, r.ClientID)
	w.int(keyTokenType, int64(r.TokenType))
	w.text(keyUsername, r.Username)
	r.writeLast(&w)
	return w.end()
}
