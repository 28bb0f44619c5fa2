package ace

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

type appender interface{ Append([]byte) []byte }

// parsers are the parse functions by the name of what they parse.
var parsers = map[string]func([]byte) (appender, error){
	"TokenRequest":          func(b []byte) (appender, error) { return ParseTokenRequest(b) },
	"TokenResponse":         func(b []byte) (appender, error) { return ParseTokenResponse(b) },
	"ErrorResponse":         func(b []byte) (appender, error) { return ParseErrorResponse(b) },
	"CreationHints":         func(b []byte) (appender, error) { return ParseCreationHints(b) },
	"AuthzInfoRequest":      func(b []byte) (appender, error) { return ParseAuthzInfoRequest(b) },
	"AuthzInfoResponse":     func(b []byte) (appender, error) { return ParseAuthzInfoResponse(b) },
	"IntrospectionRequest":  func(b []byte) (appender, error) { return ParseIntrospectionRequest(b) },
	"IntrospectionResponse": func(b []byte) (appender, error) { return ParseIntrospectionResponse(b) },
	"Claims":                func(b []byte) (appender, error) { return ParseClaims(b) },
	"Confirmation":          func(b []byte) (appender, error) { return ParseConfirmation(b) },
	"OSCOREInputMaterial":   func(b []byte) (appender, error) { return ParseOSCOREInputMaterial(b) },
	"Key":                   func(b []byte) (appender, error) { return ParseKey(b) },
	"AIF":                   func(b []byte) (appender, error) { return ParseAIF(b) },
	"Scope":                 func(b []byte) (appender, error) { return ParseScope(b) },
}

type figure struct {
	Figure string
	Kind   string
	CBOR   vector.Hex
}

// figures are the examples of the RFCs.
func figures(t testing.TB) map[string][]figure {
	all := map[string][]figure{}
	for _, rfc := range []string{"rfc8747", "rfc9200", "rfc9201", "rfc9203", "rfc9679"} {
		all[rfc] = vector.Load[struct{ Messages []figure }](t, "testdata/"+rfc+".json").Messages
	}
	return all
}

// reencoded fails t if what was parsed from b is not written as b again, or as
// its deterministic encoding.
func reencoded(t *testing.T, b []byte, v appender) {
	t.Helper()
	want, err := cborseq.Normalize(b)
	if err != nil {
		t.Fatalf("accepted what Normalize refuses: %v", err)
	}
	if got := v.Append([]byte("x")); !bytes.Equal(got[1:], want) || got[0] != 'x' {
		t.Errorf("%x is written as\n%x, want\n%x", b, got[1:], want)
	}
}

//spec:9200-5-7
//spec:9200-5-11
//spec:9200-5.8.1-5
//spec:9200-5.8.2-1
//spec:9200-5.8.2-5
//spec:9200-5.8.5-1
//spec:9200-5.9.1-2
//spec:9200-5.9.2-1
//spec:9200-5.9.2-4
//spec:9200-5.9.4-1
//spec:9201-4-1
//spec:9201-6-1
func TestFigures(t *testing.T) {
	for rfc, list := range figures(t) {
		for _, f := range list {
			t.Run(rfc+" figure "+f.Figure, func(t *testing.T) {
				v, err := parsers[f.Kind](f.CBOR)
				if err != nil {
					t.Fatalf("Parse%s: %v", f.Kind, err)
				}
				reencoded(t, f.CBOR, v)
			})
		}
	}
}

// TestMembers reads every member of every message.
func TestMembers(t *testing.T) {
	grant := GrantRefreshToken
	for _, c := range []struct {
		kind string
		diag string // for the reader
		cbor string
		want appender
	}{
		{
			"TokenRequest", `all members`,
			"ad" + "04a1034101" + "056161" + "096472656164" + "18186163" + "181942abcd" + "181b6172" + "181d4101" + "182103" + "18236175" + "18246170" + "18254102" + "1826f6" + "182745e0a156bb3f",
			&TokenRequest{
				ReqCnf: &Confirmation{KID: []byte{1}}, Audience: "a", Scope: TextScope("read"), ClientID: "c",
				ClientSecret: []byte{0xab, 0xcd}, RedirectURI: "r", Code: []byte{1}, GrantType: &grant, Username: "u",
				Password: []byte("p"), RefreshToken: []byte{2}, WantProfile: true, CNonce: []byte{0xe0, 0xa1, 0x56, 0xbb, 0x3f},
			},
		},
		{
			"TokenResponse", "all members",
			"a8" + "014101" + "021901f4" + "08a1034101" + "09420102" + "182202" + "18254103" + "182602" + "1829a1034102",
			&TokenResponse{
				AccessToken: []byte{1}, ExpiresIn: 500, Cnf: &Confirmation{KID: []byte{1}}, Scope: ByteScope([]byte{1, 2}),
				TokenType: TokenTypePoP, RefreshToken: []byte{3}, Profile: ProfileCoAPOSCORE, RSCnf: &Confirmation{KID: []byte{2}},
			},
		},
		{
			"ErrorResponse", "all members", "a3" + "181e08" + "181f6178" + "18206175",
			&ErrorResponse{Code: IncompatibleACEProfiles, Description: "x", URI: "u"},
		},
		{
			"CreationHints", "all members", "a5" + "016155" + "024107" + "056161" + "096173" + "18274101",
			&CreationHints{AS: "U", KID: []byte{7}, Audience: "a", Scope: TextScope("s"), CNonce: []byte{1}},
		},
		{
			"AuthzInfoRequest", "all members", "a3" + "014101" + "1828480102030405060708" + "182b40",
			&AuthzInfoRequest{AccessToken: []byte{1}, Nonce1: []byte{1, 2, 3, 4, 5, 6, 7, 8}, ClientRecipientID: []byte{}},
		},
		{"AuthzInfoRequest", "update of access rights", "a1" + "014101", &AuthzInfoRequest{AccessToken: []byte{1}}},
		{
			"AuthzInfoResponse", "all members", "a2" + "182a480102030405060708" + "182c420000",
			&AuthzInfoResponse{Nonce2: []byte{1, 2, 3, 4, 5, 6, 7, 8}, ServerRecipientID: []byte{0, 0}},
		},
		{"IntrospectionRequest", "all members", "a2" + "0b4101" + "18186163", &IntrospectionRequest{Token: []byte{1}, ClientID: "c"}},
		{
			"IntrospectionRequest", "token_type_hint as a number", "a2" + "0b4101" + "182102",
			&IntrospectionRequest{Token: []byte{1}, others: []other{{key: 33, pair: []byte{0x18, 0x21, 0x02}}}},
		},
		{
			"IntrospectionRequest", "token_type_hint as a text", "a2" + "0b4101" + "182163706f70",
			&IntrospectionRequest{Token: []byte{1}, others: []other{{key: 33, pair: []byte{0x18, 0x21, 0x63, 'p', 'o', 'p'}}}},
		},
		{"IntrospectionResponse", "inactive", "a1" + "0af4", &IntrospectionResponse{}},
		{
			"IntrospectionResponse", "members between and behind the claims", "a7" + "016169" + "0af5" + "18186163" + "182202" + "18236175" + "182602" + "182805",
			&IntrospectionResponse{
				Active: true, ClientID: "c", TokenType: TokenTypePoP, Username: "u",
				Claims: Claims{Issuer: "i", Profile: 2, ExpiresIn: 5},
			},
		},
		{
			"Claims", "all members", "ac" + "016169" + "026173" + "03826161" + "6162" + "0401" + "0500" + "0603" + "074107" + "08a1034101" + "096172" + "182601" + "18274101" + "18281a00015180",
			&Claims{
				Issuer: "i", Subject: "s", Audiences: []string{"a", "b"}, Expiration: NumericDate{seconds: 1, there: true},
				NotBefore: NumericDate{there: true}, IssuedAt: NumericDate{seconds: 3, there: true}, CWTID: []byte{7},
				Cnf: &Confirmation{KID: []byte{1}}, Scope: TextScope("r"), Profile: ProfileCoAPDTLS, CNonce: []byte{1}, ExpiresIn: 86400,
			},
		},
	} {
		t.Run(c.kind+" "+c.diag, func(t *testing.T) {
			b := vector.Bytes(t, c.cbor)
			got, err := parsers[c.kind](b)
			if err != nil {
				t.Fatalf("Parse%s: %v", c.kind, err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			reencoded(t, b, got)
		})
	}
}

// least is a message of each kind that has only what it must have.
var least = map[string]string{
	"TokenRequest":          "a0",
	"TokenResponse":         "a1014101",
	"ErrorResponse":         "a1181e01",
	"CreationHints":         "a0",
	"AuthzInfoRequest":      "a1014101",
	"AuthzInfoResponse":     "a2182a480102030405060708182c40",
	"IntrospectionRequest":  "a10b4101",
	"IntrospectionResponse": "a10af5",
	"Claims":                "a0",
	"Confirmation":          "a0",
}

// TestUnknownMembers puts members that nobody knows before, between and behind
// those of a message: they are kept where they are.
//
//spec:8392-3-1
//spec:8747-3.1-1
func TestUnknownMembers(t *testing.T) {
	for kind, head := range least {
		for _, member := range []string{"0003", "1863a10102", "1927100a", "3818f5", "3a000f423f00", "617802", "63666f6f83010203"} {
			b := vector.Bytes(t, head)
			other := vector.Bytes(t, member)
			b = append(b, other...)
			b[0]++
			v, err := parsers[kind](b)
			if err != nil {
				t.Errorf("Parse%s(%x): %v", kind, b, err)
				continue
			}
			reencoded(t, b, v)
		}
	}
}

// TestOtherEncodings accepts what RFC 8949 allows and writes what it recommends.
func TestOtherEncodings(t *testing.T) {
	for _, c := range []struct{ kind, cbor string }{
		{"TokenRequest", "a2 09 6472656164 05 6161"},       // keys in another order
		{"TokenRequest", "b802 1805 6161 1809 6472656164"}, // longer heads
		{"TokenRequest", "a1 05 780161"},                   // a longer head of a text
		{"Claims", "a1 04 1b0000000000000001"},
		{"Claims", "a1 08 a1 04 a2 02 50f9af838368e353e78888e1426bd94e6f 00 4101"},
	} {
		b := vector.Bytes(t, c.cbor)
		v, err := parsers[c.kind](b)
		if err != nil {
			t.Errorf("Parse%s(%x): %v", c.kind, b, err)
			continue
		}
		reencoded(t, b, v)
	}
}

// TestMalformed has one fault per case.
//
//spec:8747-3.1-2
func TestMalformed(t *testing.T) {
	key := "a401022001215820" + strings.Repeat("11", 32) + "225820" + strings.Repeat("22", 32)
	cases := map[string][]string{
		"": { // any message
			"", "f6", "80", "01", "40", "6161", "a1", "a101", "bf0102ff", "bfff", "a0a0", "a100", "a2016161016162",
			"a1f501", "a1410101", "a1800100", "a1a00100", "a101c1", "ff", "a101ff", "a161ff01", "1c", "f8", "d83da0",
			"a1" + strings.Repeat("81", 20) + "01", "b900ff", "bb7fffffffffffffff",
		},
		"TokenRequest": {
			"a1044101", "a10405", "a104f6", "a1056161" + "00", "a10541ff", "a10560", "a105f6", "a10501",
			"a10901", "a109f5", "a10980", "a10960", "a10940", "a1096120",
			"a109622061", "a109626120", "a1096461202062", "a1096122", "a109615c", "a109617f", "a10962c3a4", "a1096109",
			"a118184101", "a1181860", "a1181801", "a118196161", "a1181940", "a1181b01", "a1181d6161", "a118216163", "a11821f6", "a1182140",
			"a1182301", "a1182441aa", "a118256161", "a1182601", "a1182602", "a118266161", "a11827f6", "a118276161", "a1182740",
			"a118275841" + strings.Repeat("aa", 65),
		},
		"TokenResponse": {
			"a0", "a1016161", "a10140", "a201410102f6", "a20141010200", "a20141010220", "a2014101021b0000000100000000",
			"a20141010841aa", "a2014101182200", "a20141011822f6", "a2014101182600", "a20141011826f6", "a201410118266161", "a2014101182941aa",
			"a201410118256161",
		},
		"ErrorResponse":     {"a0", "a1181ef6", "a1181e00", "a1181e6161", "a1181f6161", "a2181e01181f41aa", "a2181e01182001"},
		"CreationHints":     {"a10101", "a10160", "a1026161", "a10240", "a10501", "a10901", "a118276161", "a1182740"},
		"AuthzInfoRequest":  {"a0", "a1016161", "a10140", "a101f6", "a201410118286161", "a2014101182840", "a201410118284701020304050607", "a20141011828" + "5841" + strings.Repeat("aa", 65), "a2014101182b6161", "a2014101182b480102030405060708", "a2014101182b01"},
		"AuthzInfoResponse": {"a0", "a1182a480102030405060708", "a1182c40", "a2182a4701020304050607182c40", "a2182a480102030405060708182c480102030405060708", "a2182a480102030405060708182cf6"},
		"IntrospectionRequest": {
			"a0", "a10b6161", "a10b40", "a20b4101181801", "a20b4101182100", "a20b41011821f6", "a20b410118214102", "a20b4101182180",
		},
		"IntrospectionResponse": {"a0", "a10a01", "a10af6", "a20af50101", "a20af5182200"},
		"Claims": {
			"a10101", "a10160", "a10201", "a10260", "a10301", "a10360", "a10380", "a1038101", "a1038160", "a1046161", "a104f6", "a104f5", "a10420",
			"a104c11a51145dc8", "a1041b0000003afff44180", "a1041b000001876e03a800", "a104fb7ff0000000000000", "a104f97e00", "a104fbc1d584367c200000",
			"a105c101", "a106c101", "a105f6", "a106f6", "a10740", "a1076161", "a10801", "a108f6", "a10901",
			"a1182600", "a118266161", "a118276161", "a1182740", "a1182800", "a1182820", "a11828f6", "a118281b0000000100000000",
			"a107590100" + strings.Repeat("aa", 256),
		},
		"Confirmation": {
			"a20141aa0341bb", "a101a0", "a10141aa", "a1016161", "a102a0", "a1024101", "a1036161", "a10340", "a1044101", "a104f6",
			"a201" + "a301042041aa0242bbbb" + "034101", "a203410104a0", "a101" + key, "a101a12001",
		},
		"OSCOREInputMaterial": {
			"a10001", "a10040", "a1005841" + strings.Repeat("aa", 65), "a10100", "a10102", "a10120", "a10141aa", "a1026161",
			"a102" + "4f" + strings.Repeat("aa", 15), "a1025841" + strings.Repeat("aa", 65), "a10240", "a1030a", "a10304", "a103f6", "a10363666f6f",
			"a10405", "a10400", "a104653132333435", "a1056161", "a105590100" + strings.Repeat("aa", 256), "a1066161", "a106590100" + strings.Repeat("aa", 256),
			"a10700", "a1616100", "a12000",
		},
		"Key": {
			"a12001", "a10100", "a101f6", "a10141aa", "a20102" + "20f6", key, "a2010420" + "40", "a10104", "a301042041aa0201",
			"a201012006", "a201022000", "a301012006215820" + strings.Repeat("ff", 32),
		},
		"AIF": {
			"a0", "01", "8101", "8180", "81816161", "8182616101", "81826001", "8182622f6120", "8182622f61f6", "8182412f01",
			"8183622f610101", "8182622f611880", "8182622f611b0000008000000000", "8282622f610182622f6102", "8182622f6101" + "00", "9f82622f6101ff",
			"9841" + strings.Repeat("82622f6101", 65),
		},
		"Scope": {"60", "40", "01", "f6", "6120", "6161" + "00", "80"},
	}
	good := map[string]string{"AIF": "80", "Scope": "6161"} // none for any other message
	for kind, parse := range parsers {
		list := cases[kind]
		for _, c := range cases[""] {
			if good[kind] != c {
				list = append(list, c)
			}
		}
		for _, c := range list {
			b := vector.Bytes(t, c)
			v, err := parse(b)
			if err == nil {
				t.Errorf("Parse%s(%x) accepts it as %x", kind, b, v.Append(nil))
				continue
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != BadRequest || e.Section == "" || e.Reason == "" {
				t.Errorf("Parse%s(%x): %#v, want an *Error 4.00 with section and reason", kind, b, err)
			}
		}
	}
}

// TestTooLong refuses a message that is longer, or has more members, than any.
func TestTooLong(t *testing.T) {
	long := cborseq.AppendMap(nil, 1)
	long = cborseq.AppendUint(long, 99)
	long = cborseq.AppendBytes(long, make([]byte, maxMessage))
	many := cborseq.AppendMap(nil, maxFields+1)
	for i := range maxFields + 1 {
		many = cborseq.AppendUint(cborseq.AppendUint(many, uint64(100+i)), 0)
	}
	for name, b := range map[string][]byte{"long": long, "many": many} {
		if _, err := ParseTokenRequest(b); err == nil {
			t.Errorf("ParseTokenRequest accepts one that is too %s", name)
		}
	}
	most := cborseq.AppendMap(nil, maxFields)
	for i := range maxFields {
		most = cborseq.AppendUint(cborseq.AppendUint(most, uint64(100+i)), 0)
	}
	r, err := ParseTokenRequest(most)
	if err != nil {
		t.Fatalf("ParseTokenRequest of %d members: %v", maxFields, err)
	}
	reencoded(t, most, r)
}

// TestSharesNoMemory changes the input behind the parser's back.
func TestSharesNoMemory(t *testing.T) {
	for rfc, list := range figures(t) {
		for _, f := range list {
			b := bytes.Clone(f.CBOR)
			v, err := parsers[f.Kind](b)
			if err != nil {
				t.Fatal(err)
			}
			want := v.Append(nil)
			clear(b)
			if got := v.Append(nil); !bytes.Equal(got, want) {
				t.Errorf("%s figure %s changes with its input", rfc, f.Figure)
			}
		}
	}
}

// TestPrintsNoSecret formats messages with secrets in every way.
//
//spec:9200-6.1-2
func TestPrintsNoSecret(t *testing.T) {
	secret := "f9af838368e353e78888e1426bd94e6f"
	for kind, cbor := range map[string]string{
		"TokenResponse":       "a201410108a104a20041010250" + secret,
		"Claims":              "a108a104a20041010250" + secret,
		"Confirmation":        "a104a20041010250" + secret,
		"OSCOREInputMaterial": "a20041010250" + secret,
		"Key":                 "a201042050" + secret,
		"TokenRequest":        "a1181950" + secret,
	} {
		v, err := parsers[kind](vector.Bytes(t, cbor))
		if err != nil {
			t.Fatalf("Parse%s: %v", kind, err)
		}
		values := []any{v}
		switch v := v.(type) {
		case *TokenResponse:
			values = append(values, *v, v.Cnf, *v.Cnf, *v.Cnf.OSCORE)
		case *Claims:
			values = append(values, *v, *v.Cnf)
		case *Confirmation:
			values = append(values, *v, *v.OSCORE)
		case *OSCOREInputMaterial:
			values = append(values, *v)
		case *Key:
			values = append(values, *v)
		case *TokenRequest:
			values = append(values, *v)
		}
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d", "%q"} {
				text := strings.ToLower(fmt.Sprintf(verb, v))
				for _, leak := range []string{secret[:8], "249 175", "0xf9, 0xaf", "[249"} {
					if strings.Contains(text, leak) {
						t.Errorf("%s of %T shows the secret: %s", verb, v, text)
					}
				}
			}
		}
	}
}
