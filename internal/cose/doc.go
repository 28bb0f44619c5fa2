// Package cose holds what Ostiary needs of CBOR Object Signing and Encryption (RFC
// 9052, RFC 9053): the algorithms, COSE_Encrypt0, COSE_Mac0 and the check of a
// COSE_Key. For COSE_Sign1 use github.com/veraison/go-cose.
//
// A key is bound to its algorithm when it is made, by the caller. No function
// takes an algorithm from a message; a message that names another is refused.
package cose
