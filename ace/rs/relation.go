package rs

// relations are the keys under which a row is found by what makes a later token
// replace it: the same proof-of-possession key, iss and cti, or iss and sub.
func (r *row) relations() []string {
	keys := []string{r.client}
	if id := r.token.ctiIdentity(); id != "" {
		keys = append(keys, id)
	}
	if sub := r.token.claims.Subject; sub != "" {
		keys = append(keys, "s"+join(r.token.issuer, sub))
	}
	return keys
}

// ctiIdentity names the token by iss and cti, "" if it has no cti.
func (t *Token) ctiIdentity() string {
	if len(t.claims.CWTID) == 0 {
		return ""
	}
	return "i" + join(t.issuer, string(t.claims.CWTID))
}

// relate enters r under its relations; the lock is held, as for all below.
func (t *Tokens) relate(r *row) {
	for _, key := range r.relations() {
		if t.related[key] == nil {
			t.related[key] = map[*row]bool{}
		}
		t.related[key][r] = true
	}
}

func (t *Tokens) unrelate(r *row) {
	for _, key := range r.relations() {
		delete(t.related[key], r)
		if len(t.related[key]) == 0 {
			delete(t.related, key)
		}
	}
}

// relatives are the rows that share a relation with r, and r itself.
func (t *Tokens) relatives(r *row) map[*row]bool {
	set := map[*row]bool{}
	for _, key := range r.relations() {
		for other := range t.related[key] {
			set[other] = true
		}
	}
	return set
}
