package ace

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/internal/vector"
)

// fuzz feeds a parser, whose input of the wrong kind does no harm.
func fuzz(f *testing.F, kind string) {
	for _, list := range figures(f) {
		for _, figure := range list {
			f.Add([]byte(figure.CBOR))
		}
	}
	for _, head := range least {
		f.Add(vector.Bytes(f, head))
	}
	f.Add(table1.Append(nil))
	f.Add(someClaims().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parsers[kind](b)
		if err != nil {
			return
		}
		reencoded(t, b, v)
		again, err := parsers[kind](v.Append(nil))
		if err != nil || !bytes.Equal(again.Append(nil), v.Append(nil)) {
			t.Errorf("written as %x, which is not read: %v", v.Append(nil), err)
		}
	})
}

func FuzzParseTokenRequest(f *testing.F)          { fuzz(f, "TokenRequest") }
func FuzzParseTokenResponse(f *testing.F)         { fuzz(f, "TokenResponse") }
func FuzzParseErrorResponse(f *testing.F)         { fuzz(f, "ErrorResponse") }
func FuzzParseCreationHints(f *testing.F)         { fuzz(f, "CreationHints") }
func FuzzParseAuthzInfoRequest(f *testing.F)      { fuzz(f, "AuthzInfoRequest") }
func FuzzParseAuthzInfoResponse(f *testing.F)     { fuzz(f, "AuthzInfoResponse") }
func FuzzParseIntrospectionRequest(f *testing.F)  { fuzz(f, "IntrospectionRequest") }
func FuzzParseIntrospectionResponse(f *testing.F) { fuzz(f, "IntrospectionResponse") }
func FuzzParseClaims(f *testing.F)                { fuzz(f, "Claims") }
func FuzzParseConfirmation(f *testing.F)          { fuzz(f, "Confirmation") }
func FuzzParseAIF(f *testing.F)                   { fuzz(f, "AIF") }

func FuzzAIFUnmarshalJSON(f *testing.F) {
	f.Add([]byte(table1.String()))
	f.Add([]byte(table2.String()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a, again AIF
		if json.Unmarshal(b, &a) != nil {
			return
		}
		if err := json.Unmarshal([]byte(a.String()), &again); err != nil || !slices.Equal(a, again) {
			t.Errorf("%s is written as %s: %v", b, a, err)
		}
	})
}

// FuzzOpenCWT finds another encoding of a token that opens.
func FuzzOpenCWT(f *testing.F) {
	v := vector.Load[rfc8392](f, "testdata/rfc8392.json")
	for _, b := range [][]byte{v.A3, v.A4, v.A5, v.A6, v.A7} {
		f.Add(b)
		f.Add(append([]byte{0xd8, 61}, b...))
	}
	key, err := ParseKey(v.ECDSA)
	if err != nil {
		f.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		f.Fatal(err)
	}
	k := tokenKey(f, TokenKeyConfig{ID: []byte("k"), Secret: make(secret.Bytes, 16)})
	signed := tokenKey(f, TokenKeyConfig{Algorithm: cose.ES256, Public: public, Form: TokenForm{NoTag61: true, Unprotected: true}})
	token, err := EncryptCWT(nil, someClaims(), k, bytes.NewReader(make([]byte, 13)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Fuzz(func(t *testing.T, b []byte) {
		claims, by, err := OpenCWT(b, only(k, signed))
		if err != nil {
			return
		}
		if by == k && !bytes.Equal(b, token) {
			t.Errorf("%x opens, and is not %x", b, token)
		}
		reencoded(t, claims.Append(nil), claims)
	})
}
