package ace

// CreationHints are the AS Request Creation Hints of an RS that has no token for
// a request (RFC 9200, Section 5.3). All of them are optional, and none is
// authentic: the client decides on its own whether that AS is the one for this
// RS (Section 6.4).
type CreationHints struct {
	AS       string // absolute URI of the token endpoint
	KID      []byte // kid of the key that the RS has for the client, 1 to 255 bytes
	Audience string
	Scope    Scope
	CNonce   []byte // cnonce, 1 to 64 bytes

	others []other
}

// ParseCreationHints decodes the payload of a 4.01. It fails with an *Error.
func ParseCreationHints(b []byte) (*CreationHints, error) {
	h := new(CreationHints)
	f := openFields(b)
	for f.next() {
		switch f.key {
		case keyHintAS:
			f.ok = f.readText(&h.AS)
		case keyHintKID:
			f.ok = f.readSized(&h.KID, 1, maxKID)
		case keyAudience:
			f.ok = f.readText(&h.Audience)
		case keyScope:
			f.ok = f.readScope(&h.Scope)
		case keyCNonce:
			f.ok = f.readSized(&h.CNonce, minCNonce, maxCNonce)
		default:
			f.ok = f.keep(&h.others)
		}
	}
	if !f.end() {
		return nil, f.malformed("RFC 9200, Section 5.3", "AS Request Creation Hints")
	}
	return h, nil
}

// Append appends the payload to dst.
func (h *CreationHints) Append(dst []byte) []byte {
	w := writeFields(dst, h.others)
	w.text(keyHintAS, h.AS)
	w.bytes(keyHintKID, h.KID)
	w.text(keyAudience, h.Audience)
	w.scope(h.Scope)
	w.bytes(keyCNonce, h.CNonce)
	return w.end()
}
