// Package idalloc is the one owner of the OSCORE Recipient IDs of an endpoint,
// whoever asks for them: the OSCORE profile of ACE (RFC 9203, Section 4.2),
// EDHOC connection identifiers (RFC 9528, Section 3.3.3) and contexts that an
// installer provisions (OCF, LwM2M, KNX).
//
//	        Allocate              Confirm             Release
//	free ------------> pending ------------> live ------------> quarantined
//	 ^  \                 |  Abort, too old    ^                     |
//	 |   \                +--------------------|-------------------->|
//	 |    +------------------------------------+                     |
//	 |  reserved            Claim                                    |
//	 |    ^                                                          |
//	 +----+----------------------------------------------------------+
//	                 rested long enough
//
// An identifier is in exactly one of the five states. A released one rests
// until nobody can still be using it (EXCHANGE_LIFETIME of RFC 7252, Section
// 4.8.2, at least). When nothing is free the answer is [ErrExhausted]: an
// identifier is never taken from a holder.
//
// Identifiers of different lengths never collide, because the length is on the
// wire: shorter ones are given out first, and of the one-byte ones those that
// EDHOC sends in one byte (RFC 9528, Section 3.3.2).
//
// The package knows no clock and no disk: the time comes from Config.Now, and
// what must survive a crash goes to a [Journal].
package idalloc
