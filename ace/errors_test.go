package ace

import (
	"errors"
	"io"
	"testing"
)

// TestErrorCodes are RFC 9200, Table 3.
//
//spec:9200-5.8.3-3
//spec:9200-5.8.3-4
//spec:9200-5.9.3-1
//spec:9200-5.9.3-4
//spec:9200-5.9.3-5
func TestErrorCodes(t *testing.T) {
	for i, want := range []string{
		"error 0", "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "unsupported_pop_key", "incompatible_ace_profiles", "error 9",
	} {
		if got := ErrorCode(i).String(); got != want {
			t.Errorf("error %d = %s, want %s", i, got, want)
		}
		r := ErrorResponse{Code: ErrorCode(i)}
		if b := r.Append(nil); i > 0 && string(b) != "\xa1\x18\x1e"+string(rune(i)) {
			t.Errorf("error %d is written as %x", i, b)
		}
	}
}

// TestCodePoints are RFC 9200, Tables 4 and 8.7.1, and Section 8.8.
//
//spec:9200-5-9
//spec:9200-5-10
//spec:9200-5.8.4.1-1
//spec:9200-5.8.4.2-2
//spec:9200-5.8.4.3-6
//spec:9200-5.9.1-3
func TestCodePoints(t *testing.T) {
	for name, c := range map[string][2]int64{
		"application/ace+cbor": {int64(ContentFormat), 19},
		"application/cwt":      {int64(ContentFormatCWT), 61},
		"password":             {int64(GrantPassword), 0},
		"authorization_code":   {int64(GrantAuthorizationCode), 1},
		"client_credentials":   {int64(GrantClientCredentials), 2},
		"refresh_token":        {int64(GrantRefreshToken), 3},
		"Bearer":               {int64(TokenTypeBearer), 1},
		"PoP":                  {int64(TokenTypePoP), 2},
		"coap_dtls":            {int64(ProfileCoAPDTLS), 1},
		"coap_oscore":          {int64(ProfileCoAPOSCORE), 2},
		"mqtt_tls":             {int64(ProfileMQTTTLS), 3},
		"4.00":                 {int64(BadRequest), 0x80},
		"4.01":                 {int64(Unauthorized), 0x81},
		"4.03":                 {int64(Forbidden), 0x83},
		"5.00":                 {int64(InternalServerError), 0xa0},
	} {
		if c[0] != c[1] {
			t.Errorf("%s = %d, want %d", name, c[0], c[1])
		}
	}
}

func TestErrors(t *testing.T) {
	e := &Error{Code: BadRequest, Section: "RFC 9200, Section 5.8.1", Reason: "malformed token request", Err: io.EOF}
	if got, want := e.Error(), "ace: malformed token request (RFC 9200, Section 5.8.1): EOF"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if !errors.Is(e, io.EOF) {
		t.Error("the cause is lost")
	}
	p := &PeerError{Code: BadRequest, ErrorResponse: ErrorResponse{Code: InvalidScope}}
	if got, want := p.Error(), "ace: peer answers 4.00 invalid_scope"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if got, want := (&PeerError{Code: 160}).Error(), "ace: peer answers 5.00"; got != want {
		t.Errorf("Error without an OAuth code = %q, want %q", got, want)
	}
	_, err := ParseTokenRequest([]byte{0xa1, 9, 1})
	if got, want := err.Error(), "ace: malformed token request: member 9 (RFC 9200, Section 5.8.1)"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}
