package ace

// Content-Formats of CoAP (RFC 9200, Section 8.16; RFC 8392, Section 9.3).
//
//spec:9200-5-9
//spec:9200-5-10
//spec:9200-5.9.1-3
const (
	ContentFormat    uint16 = 19 // application/ace+cbor
	ContentFormatCWT uint16 = 61 // application/cwt
)

// keys of OAuth parameters (RFC 9200, Table 5; RFC 9201, Table 1; RFC 9203,
// Section 9.3), of introspection (RFC 9200, Table 6), of AS Request Creation
// Hints (Table 1) and of claims (Section 8.14; RFC 8392, Section 4; RFC 8747,
// Section 7.1). The registries are aligned, but not the same: 1 to 7, 33 and 40
// differ.
//
//spec:9200-5.8.5-1
//spec:9200-5.9.4-1
//spec:9201-6-1
const (
	keyAccessToken       = 1
	keyExpiresIn         = 2
	keyReqCnf            = 4
	keyAudience          = 5
	keyCnf               = 8
	keyScope             = 9
	keyClientID          = 24
	keyClientSecret      = 25
	keyResponseType      = 26
	keyRedirectURI       = 27
	keyState             = 28
	keyCode              = 29
	keyError             = 30
	keyErrorDescription  = 31
	keyErrorURI          = 32
	keyGrantType         = 33
	keyTokenType         = 34
	keyUsername          = 35
	keyPassword          = 36
	keyRefreshToken      = 37
	keyProfile           = 38
	keyCNonce            = 39
	keyNonce1            = 40
	keyRSCnf             = 41
	keyNonce2            = 42
	keyClientRecipientID = 43
	keyServerRecipientID = 44

	keyHintAS  = 1
	keyHintKID = 2

	keyActive        = 10
	keyToken         = 11
	keyTokenTypeHint = 33

	keyIss = 1
	keySub = 2
	keyAud = 3
	keyExp = 4
	keyNbf = 5
	keyIat = 6
	keyCti = 7
	keyExi = 40
)

// A GrantType is a grant_type (RFC 9200, Table 4).
//
//spec:9200-5.8.4.1-1
type GrantType int64

// The grant types of RFC 9200, Table 4.
const (
	GrantPassword          GrantType = 0
	GrantAuthorizationCode GrantType = 1
	GrantClientCredentials GrantType = 2
	GrantRefreshToken      GrantType = 3
)

// A TokenType is a token_type (RFC 9200, Section 8.7.1). Zero is none.
//
//spec:9200-5.8.4.2-2
type TokenType int64

// The token types of RFC 9200, Section 8.7.1.
const (
	TokenTypeBearer TokenType = 1
	TokenTypePoP    TokenType = 2
)

// A Profile is an ace_profile (RFC 9200, Section 8.8). Zero is none.
//
//spec:9200-5.8.4.3-6
type Profile int64

// The profiles of RFC 9202, RFC 9203 and RFC 9431.
const (
	ProfileCoAPDTLS   Profile = 1
	ProfileCoAPOSCORE Profile = 2
	ProfileMQTTTLS    Profile = 3
)

// The CoAP response codes that errors carry (RFC 7252, Section 12.1.2).
const (
	BadRequest          uint8 = 0x80 // 4.00
	Unauthorized        uint8 = 0x81 // 4.01
	Forbidden           uint8 = 0x83 // 4.03
	InternalServerError uint8 = 0xa0 // 5.00
)
