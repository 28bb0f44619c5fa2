// Package edhocrunner is a peer for package edhoc that can misbehave: an EDHOC
// of its own (RFC 9528), written for its clarity and for the ease with which each
// part of it can be made wrong. It shares no protocol code with package edhoc: its
// messages, its key schedule and its CBOR are its own, so that what both get
// wrong alike is not overlooked.
//
// A [Peer] plays either role, message by message:
//
//	Initiator                      Responder
//	WriteMessage1  -------------->  ReadMessage1
//	ReadMessage2   <--------------  WriteMessage2
//	WriteMessage3  -------------->  ReadMessage3
//	ReadMessage4   <--------------  WriteMessage4
//	Export                          Export
//
// A good Peer is proved right first: it completes handshakes with package edhoc in both
// roles, and reproduces each value of RFC 9529. Then [Bugs] make it a bad one. Every value
// of a handshake has the name that RFC 9529 gives it, "TH_2" or "context_3", and a bug
// changes the value, the items that it is made of, the label or the length that it
// is derived with.
//
// To add a misbehaviour, add a line or three to the table of the message that it shows
// in, in one of the tests:
//
//	{name: "G_X of 33 bytes", bug: value("G_X", longer), want: refused("ProcessMessage1", "5.2.3")},
//
// TestMisbehaviours then plays it against package edhoc and checks that the step
// named fails with an edhoc.Error of that section and code, that the bad peer is
// sent the error message for it and nothing else, that neither side gets a Session,
// that the state is spent, and that the same endpoint completes a good handshake
// afterwards. What must be tolerated is in the table of TestTolerated. TestCoAP,
// TestCoAPServer and TestCoAPReverse have the same for the peers of package edhoccoap.
// The fuzz targets take the runner for an oracle: what it would accept, and nothing else,
// is to be accepted.
package edhocrunner
