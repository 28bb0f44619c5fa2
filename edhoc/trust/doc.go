// Package trust keeps the authentication credentials of EDHOC peers and decides, for each
// handshake, which of them the peer may prove to own: the trust policies and the side
// processing of draft-ietf-lake-edhoc-impl-cons, Sections 4 and 5.
//
//	message_2, message_3 decrypted
//	        |  ID_CRED_x, EAD items (anybody's words)
//	        v
//	   Store.Find -- stored? -- valid? ------------------------------+
//	        | no                                                     |
//	        v                                                        v
//	   retrieve -- policy LEARNING, or somebody vouches -- valid? -> candidates
//	        | else                                                   |
//	        v                                                        v
//	      abort                                       message verified with one of them
//	                                                                 |
//	                                                          Store.Verified
//	                                                   keeps it, if it was new
//
// Find has the form of edhoccoap's Config.Find. Other than in the draft, a new credential
// is kept only once the peer has proved to own it: before, anybody could fill the store
// with the credentials of others. What is kept are peers; trust anchors are given in the
// Config and never change by what a peer sends (RFC 9528, Section 9.8).
package trust
