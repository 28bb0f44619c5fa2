// Package c509 implements C509 certificates, the CBOR encoding of X.509
// (draft-ietf-cose-cbor-encoded-cert), and their use as credentials of EDHOC.
//
//	X.509 certificate, DER          C509Certificate = [
//	  version ........................ 3: a re-encoded X.509 certificate
//	                                   2: natively signed, there is no DER
//	  serialNumber ................... ~biguint
//	  signature ...................... integer of a registry / ~oid / [~oid, parameters]
//	  issuer ......................... Name / null, if it is the subject
//	  validity ....................... two numbers of seconds; null: no expiration
//	  subject ........................ Name: [ type, value, .. ] / value of a common name
//	  subjectPublicKeyInfo ........... integer, bytes; points are compressed
//	  extensions ..................... [ type, value, .. ] / the integer of keyUsage
//	  signatureValue ................. bytes; r | s for ECDSA
//	                                ]
//
// The elements without the array around them are the CBOR sequence ~C509Certificate. c5c
// carries it, c5t is its hash; CRED_x of EDHOC is the array (RFC 9528, Section 3.5.2).
//
// [FromX509] and ToX509 convert between the two forms of one certificate and are exact: the
// signature of the X.509 issuer verifies on what ToX509 gives back, and what has no exact
// encoding is refused. [Create] signs native certificates. [Verify] validates chains of
// both types. A certificate becomes a credential by Verify, or, if it is trusted already,
// by its method Credential:
//
//	cred, err := c509.Verify(received.IDCredI.C5C, c509.VerifyOptions{Roots: roots, CurrentTime: now})
//	verified, err := received.Verify(cred)
//
// What a c5u points to is read with [ParseCOSE], and then validated just so.
//
// [Parse] accepts deterministic CBOR only, and one encoding of each certificate: what it
// accepts is what the content, encoded again, comes out as. The draft leaves the issuer of
// a re-encoded certificate three choices, which Parse takes as they are: whether a point
// is compressed, whether an extension keeps its OID and its DER though there is a form in
// CBOR (Section 3.7), and whether r and s of the group of order 2^521 have leading zeros.
//
// Not here: certification requests and their templates, private keys, TLS and the file
// formats of the draft; points of curves other than P-256, P-384 and P-521 in compressed
// form; names with several attributes in one relative distinguished name, which the
// draft does not support. The sections cited are those of the revision of March 2026; the
// encoding of IPAddrBlocks is the later one with whole bit strings.
//
// The package opens no socket and knows no clock: the time is passed in. Everything in it
// is safe for concurrent use.
package c509
