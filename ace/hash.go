package ace

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// sha256Suite is sha-256 in the "Named Information Hash Algorithm Registry" (RFC
// 6920, Section 9.4).
const sha256Suite = 1

// TokenHash is the token hash of a CWT, 33 bytes (RFC 9770, Section 4.4): token
// is the value of the access_token byte string.
//
//spec:9770-4.4-1
//spec:9770-4.4-2
func TokenHash(token []byte) []byte {
	return hashText(base64.RawURLEncoding.EncodeToString(token))
}

// TokenHashText is the token hash of a token that the client got as a text, in
// JSON (RFC 9770, Section 4.2.2), 33 bytes.
func TokenHashText(token string) []byte { return hashText(token) }

func hashText(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return append([]byte{sha256Suite}, sum[:]...)
}

// ExpiresInID is the cti of a token with exi: the name of the RS, then the number
// of the token among those with exi for this RS (RFC 9200, Section 5.10.3), in 8
// bytes.
//
//spec:9200-5.10.3-3
func ExpiresInID(rs string, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(rs), number)
}

// ExpiresInNumber takes the number out of such a cti, whose number has 1 to 8
// bytes. It reports false if the cti does not begin with the name of the RS.
func ExpiresInNumber(cti []byte, rs string) (uint64, bool) {
	number, ok := strings.CutPrefix(string(cti), rs)
	if !ok || rs == "" || len(number) == 0 || len(number) > 8 {
		return 0, false
	}
	var room [8]byte
	copy(room[8-len(number):], number)
	return binary.BigEndian.Uint64(room[:]), true
}
