// Package edhoc implements Ephemeral Diffie-Hellman Over COSE (EDHOC), the
// authenticated key exchange of RFC 9528.
//
//	Initiator                                          Responder
//	ComposeMessage1 -------- message_1 --------> ProcessMessage1
//	ProcessMessage2 <------- message_2 --------- ComposeMessage2
//	Verify
//	ComposeMessage3 -------- message_3 --------> ProcessMessage3
//	                                             Verify
//	Session <---------- message_4, if agreed ----------- Session
//
// Each box of the state machines in RFC 9528, Appendix I is a Go type, and
// each arrow a method of the type it leaves. A method consumes its receiver:
// a second call, or a call after a failure, returns [ErrSpent]. A failure
// erases the secrets of the handshake.
//
// What a peer says before Verify is a claim: [IDCred] names a credential that
// nobody has proved to own yet, and EAD items come from anybody. Verify takes
// the credential that the application has found and trusts, and only its
// result has an authenticated peer. The credential that a peer sends along never
// changes what is trusted: the application decides.
//
// An application that has to look into messages before and after they are verified
// (draft-ietf-lake-edhoc-impl-cons, Section 5) does so between the steps: with the
// Received value before, with the Verified value after. Refuse ends the handshake at
// either place. Package trust has the policies for new credentials.
//
// The package opens no socket and keeps no table of handshakes: bytes in, bytes
// out. Dropping duplicates, timing out a handshake and correlating messages
// belong to the transport (RFC 9528, Sections 3.4 and 7); a duplicate that
// reaches a spent state is answered with ErrSpent, never with a second message.
package edhoc
