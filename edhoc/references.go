package edhoc

import "github.com/ostiary/ostiary/internal/cose"

// References gives each ID_CRED that names c alone: by its key identifier, by the hash
// of its certificate (SHA-256 whole and of 64 bits), and by value. Who keeps c finds it
// again by any of them. A certificate of NewCredential is one of X.509 if CRED_x is a
// byte string, and C509 if it is an array.
func (c *Credential) References() []IDCred {
	var ids []IDCred
	if c.kid != nil {
		ids = append(ids, KID(c.kid))
	}
	if c.cert != nil {
		label := int64(paramC5T)
		if c.cred[0]>>5 == 2 { // a byte string
			label = paramX5T
		}
		for _, alg := range []cose.Algorithm{shortHash, cose.SHA256} {
			ids = append(ids, mustIDCred(label, appendCertHash(nil, alg, c.cert)))
		}
	}
	if c.value.known() {
		ids = append(ids, c.value)
	}
	return ids
}
