// Package interop is what the live runs against other implementations share.
//
//	client ---- Relay ---- server        a live run, with a peer on one side
//	              |
//	          Transcript                 recorded in testdata/ of the peer's folder
//	              |
//	            Replay                   offline, by package oscore
//
// If the context comes of EDHOC, package edhoc takes our part of the handshake. EDHOC is
// run with a library, too, which is no server: what is said is recorded there, and what
// the library said is replayed to package edhoc.
//
// Each peer has a folder here with a run.sh, which installs the peer, runs the
// cases of its expect.json and prints, as its last line, how many passed,
// failed and were skipped.
package interop
