package edhocservice

import (
	"log/slog"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// known is a list of peers, by what messages name them with. It does not change.
type known struct {
	byCRED    map[string]Peer
	byKID     map[string][]Peer
	bySubject map[string]Peer // without Credential
}

// index makes it. Of two peers with one credential nobody could say who is there:
// the first of the list has it.
func index(peers []Peer, log *slog.Logger) known {
	k := known{byCRED: map[string]Peer{}, byKID: map[string][]Peer{}, bySubject: map[string]Peer{}}
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
	}
	return k
}

// find gives the credentials that id may mean, and that are valid.
func (k known) find(id edhoc.IDCred, now time.Time) []*edhoc.Credential {
	var found []*edhoc.Credential
	try := func(p Peer) {
		if p.Credential.Matches(id) && p.Credential.ValidAt(now) == nil {
			found = append(found, p.Credential)
		}
	}
	switch {
	case id.KID != nil:
		for _, p := range k.byKID[string(id.KID)] {
			try(p)
		}
	case id.KCCS != nil:
		if p, ok := k.byCRED[string(id.KCCS)]; ok {
			try(p)
		}
	default:
		for _, p := range k.byCRED {
			try(p)
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
