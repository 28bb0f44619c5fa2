package oscore

import (
	"crypto/cipher"
	"io"
	"time"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

// Params are the input parameters of a security context (Section 3.2). Both
// endpoints have the same, but for the two IDs, which are swapped.
type Params struct {
	MasterSecret secret.Bytes // any length but 0
	MasterSalt   []byte       // nil is the empty salt, the default
	IDContext    []byte       // at most 128 bytes; nil is none, which is not the empty string
	SenderID     []byte       // 0 to NonceSize-6 bytes, 7 for the default AEAD; nil is the empty string
	RecipientID  []byte       // as SenderID, and different from it

	// AEAD is the AEAD Algorithm. 0 is the default, AES-CCM-16-64-128.
	AEAD cose.Algorithm
	// HKDF is named by its HMAC or direct+HKDF algorithm. 0 is the default, HKDF
	// SHA-256.
	HKDF cose.Algorithm
}

// Config says what an association is made of. Only the Params are needed, for
// input parameters that were never used before.
type Config struct {
	Params

	// Subject names the peer to the authorization that follows, see
	// Association.Subject.
	Subject string

	// ReplayWindow is the size of the replay window, 1 to 4096. 0 is the default,
	// 32 (Section 3.2.2).
	ReplayWindow int

	// Sequence keeps the Sender Sequence Number across restarts (Appendix B.1.1).
	// nil starts at 0 and forgets: for fresh input parameters, and with B2Required.
	Sequence SequenceStore

	// RecoverWindow says that the parameters were in use before and the replay
	// window is lost: the first request is answered with an Echo challenge (Appendix
	// B.1.2). It needs a Sequence. Do not set it for a peer that ignores Echo, such as a
	// Californium client; use B2Required or Resume there. With false, Resume nil
	// and another B2 than B2Required, every request that verifies is accepted once:
	// right for fresh parameters only.
	RecoverWindow bool

	// Resume is what Suspend returned when the association was last in use. It goes
	// before RecoverWindow.
	Resume []byte

	// B2 says what part the protocol of Appendix B.2 plays. It must be on or off in both
	// endpoints alike, and if it is on, both must have a good source of randomness.
	// The numbers of a context that comes of it begin at 0 and are not those of
	// Sequence: after a restart without Resume, B2Required derives another.
	B2 B2Mode

	// OwnPartialIV has every response carry a Partial IV of its own, for servers of
	// which a predecessor may still be answering the same requests (Appendix D.4, B).
	OwnPartialIV bool

	// OmitKIDContext leaves the ID Context out of requests (Section 5.1), for peers
	// that know which it is. By default it is sent when there is one: a server that has
	// lost the context needs it to begin a run of Appendix B.2, and without it refuses the
	// request with an unprotected 4.01.
	OmitKIDContext bool

	// Limits bound what one key may do; zero fields have defaults by the algorithm.
	Limits Limits

	// Used is what the keys have done before, as far as it is known.
	Used Usage

	// Clock lets K_HMAC expire (Appendix B.2.1). nil: it lives until a run
	// completes.
	Clock func() time.Time

	// Rand is the source of randomness; nil means crypto/rand.Reader.
	Rand io.Reader

	// OnReplaced is called after the protocol of Appendix B.2 has replaced the
	// context old by new, and with a nil new after Discard and Suspend. Observations
	// under old have ended. old is nil if there was none.
	OnReplaced func(old, new *Context)

	// DangerNewAEAD replaces the algorithms, for tests that watch the nonces.
	DangerNewAEAD func(a cose.Algorithm, key []byte) (cipher.AEAD, error)
}

// A B2Mode says how an association uses Appendix B.2.
type B2Mode uint8

const (
	// B2Off refuses the protocol.
	B2Off B2Mode = iota
	// B2Allowed begins with the context of the Params, which are fresh, and replaces
	// it when either side asks.
	B2Allowed
	// B2Required protects nothing with the context of the Params: for an endpoint
	// that has lost the mutable part of a context or has never had one. As client it
	// begins a run with its first request; as server it answers the first request
	// with the second message of one.
	B2Required
)

// Limits bound the use of an AEAD key (draft-ietf-core-oscore-key-limits, Section
// 2.1.1). At the limit a key is not used any more. A client with B.2 asks for a new
// one at half of it.
type Limits struct {
	Protected uint64 // messages under the Sender Key; 0: 2^20
	Failures  uint64 // failed decryptions under the Recipient Key; 0: 2^14 for tags of 8 bytes, else 2^20
	Size      int    // bytes of a plaintext with its tag; 0: 4096 for tags of 8 bytes, else 16384
}

// Usage is what the keys of a context have done.
type Usage struct {
	Protected uint64 // messages under the Sender Key
	Failures  uint64 // failed decryptions under the Recipient Key
}

// A SequenceStore hands out Sender Sequence Numbers that survive a restart (RFC
// 8613, Appendix B.1.1).
type SequenceStore interface {
	// Reserve returns the first of n numbers that no call, in this process or any
	// other, has returned before, and never less than before. It returns only after
	// that is durable: if there is doubt, it returns an error, and so do all later
	// calls whose durability would rest on the one that failed. Calls of one context
	// do not overlap.
	Reserve(n uint64) (first uint64, err error)
}
