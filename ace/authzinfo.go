package ace

// Sizes of the nonces N1 and N2 in bytes. RFC 9203, Section 4.1 recommends 8.
const (
	minNonce = 8
	maxNonce = 64
)

// maxRecipientID is what an AEAD with a nonce of 13 bytes leaves for an OSCORE
// Sender ID (RFC 8613, Section 3.3).
const maxRecipientID = 7

// An AuthzInfoRequest is what a client posts to authz-info in the OSCORE profile
// (RFC 9203, Section 4.1). An update of access rights has the token only.
type AuthzInfoRequest struct {
	AccessToken       []byte // access_token; always there
	Nonce1            []byte // nonce1, 8 to 64 bytes
	ClientRecipientID []byte // ace_client_recipientid, 0 to 7 bytes

	others []other
}

// ParseAuthzInfoRequest decodes the payload. It fails with an *Error. That nonce1
// and ace_client_recipientid are there is for the RS to check: an update of
// access rights does not need them.
func ParseAuthzInfoRequest(b []byte) (*AuthzInfoRequest, error) {
	r := new(AuthzInfoRequest)
	f := openFields(b)
	for f.next() {
		switch f.key {
		case keyAccessToken:
			f.ok = f.readSized(&r.AccessToken, 1, maxMessage)
		case keyNonce1:
			f.ok = f.readSized(&r.Nonce1, minNonce, maxNonce)
		case keyClientRecipientID:
			f.ok = f.readSized(&r.ClientRecipientID, 0, maxRecipientID)
		default:
			f.ok = f.keep(&r.others)
		}
	}
	if !f.end() || r.AccessToken == nil {
		return nil, f.malformed("RFC 9203, Section 4.1", "authz-info request")
	}
	return r, nil
}

// Append appends the payload to dst.
func (r *AuthzInfoRequest) Append(dst []byte) []byte {
	w := writeFields(dst, r.others)
	w.bytes(keyAccessToken, r.AccessToken)
	w.bytes(keyNonce1, r.Nonce1)
	w.bytes(keyClientRecipientID, r.ClientRecipientID)
	return w.end()
}

// An AuthzInfoResponse is the payload of the 2.01 of authz-info in the OSCORE
// profile (RFC 9203, Section 4.2).
type AuthzInfoResponse struct {
	Nonce2            []byte // nonce2, 8 to 64 bytes; always there
	ServerRecipientID []byte // ace_server_recipientid, 0 to 7 bytes; always there, empty is not nil

	others []other
}

// ParseAuthzInfoResponse decodes the payload. It fails with an *Error.
func ParseAuthzInfoResponse(b []byte) (*AuthzInfoResponse, error) {
	r := new(AuthzInfoResponse)
	f := openFields(b)
	for f.next() {
		switch f.key {
		case keyNonce2:
			f.ok = f.readSized(&r.Nonce2, minNonce, maxNonce)
		case keyServerRecipientID:
			f.ok = f.readSized(&r.ServerRecipientID, 0, maxRecipientID)
		default:
			f.ok = f.keep(&r.others)
		}
	}
	if !f.end() || r.Nonce2 == nil || r.ServerRecipientID == nil {
		return nil, f.malformed("RFC 9203, Section 4.2", "authz-info response")
	}
	return r, nil
}

// Append appends the payload to dst.
func (r *AuthzInfoResponse) Append(dst []byte) []byte {
	w := writeFields(dst, r.others)
	w.bytes(keyNonce2, r.Nonce2)
	w.bytes(keyServerRecipientID, r.ServerRecipientID)
	return w.end()
}
