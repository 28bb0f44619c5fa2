package edhocservice

import (
	"crypto/sha256"
	"log/slog"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/cborseq"
)

// shortHash is the size of SHA-256/64 (RFC 9054, Section 2.1).
const shortHash = 8

// known is a list of peers, by what messages name them with. It does not change.
type known struct {
	byCRED    map[string]Peer
	byKID     map[string][]Peer
	byHash    map[string][]Peer // of a certificate: SHA-256, cut to 64 bits
	bySubject map[string]Peer   // without Credential
}

// index makes it. Of two peers with one credential nobody could say who is there:
// the first of the list has it.
func index(peers []Peer, log *slog.Logger) known {
	k := known{byCRED: map[string]Peer{}, byKID: map[string][]Peer{}, byHash: map[string][]Peer{}, bySubject: map[string]Peer{}}
	for _, p := range peers {
		if p.Credential == nil {
			if first, taken := k.bySubject[p.CertificateSubject]; taken {
				log.Error("subject of certificates is that of another peer", "client", p.Name, "other", first.Name)
				continue
			}
			k.bySubject[p.CertificateSubject] = p
			continue
		}
		cred := string(p.Credential.CRED())
		if first, taken := k.byCRED[cred]; taken {
			log.Error("credential is that of another peer", "client", p.Name, "other", first.Name)
			continue
		}
		k.byCRED[cred] = p
		if kid := p.Credential.KID(); kid != nil {
			k.byKID[string(kid)] = append(k.byKID[string(kid)], p)
		}
		if chain := p.Credential.ByValue().X5Chain; chain != nil {
			sum := sha256.Sum256(chain[0])
			hash := string(sum[:shortHash])
			k.byHash[hash] = append(k.byHash[hash], p)
		}
	}
	return k
}

// find gives the credentials that id may mean, and that are valid. It looks at those
// only that fit, for anybody can ask: so other hashes than SHA-256 find nobody.
func (k known) find(id edhoc.IDCred, now time.Time) []*edhoc.Credential {
	var named []Peer
	byCRED := func(cred []byte) {
		if p, ok := k.byCRED[string(cred)]; ok {
			named = []Peer{p}
		}
	}
	switch {
	case id.KID != nil:
		named = k.byKID[string(id.KID)]
	case id.KCCS != nil:
		byCRED(id.KCCS)
	case id.X5Chain != nil:
		byCRED(cborseq.AppendBytes(nil, id.X5Chain[0]))
	case id.X5T != nil && len(id.X5T.Value) >= shortHash:
		named = k.byHash[string(id.X5T.Value[:shortHash])]
	}
	var found []*edhoc.Credential
	for _, p := range named {
		if p.Credential.Matches(id) && p.Credential.ValidAt(now) == nil {
			found = append(found, p.Credential)
		}
	}
	return found
}

// trusts says whether a peer is in the list with these rights, and valid.
func (k known) trusts(p Peer, now time.Time) bool {
	there, ok := k.byCRED[string(p.Credential.CRED())]
	if p.CertificateSubject != "" {
		there, ok = k.bySubject[p.CertificateSubject]
	}
	return ok && there.Name == p.Name && there.Rights == p.Rights && p.Credential.ValidAt(now) == nil
}
