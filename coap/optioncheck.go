package coap

import "strconv"

// understood says whether this endpoint's handlers act on a critical option
// of a request without being told so. Options that only some handlers know
// (If-Match, OSCORE, EDHOC) are named in Config.Understands.
func understood(id OptionID, more []OptionID) bool {
	switch id {
	case URIHost, URIPort, URIPath, URIQuery, Accept, Block1, Block2:
		return true
	}
	for _, m := range more {
		if m == id {
			return true
		}
	}
	return false
}

// CheckOptions applies the rules for options an endpoint does not recognize
// (RFC 7252, Section 5.4.1, 5.4.3 and 5.4.5) to the options of a request. It
// returns the critical option for which the request is to be refused with
// 4.02 (Bad Option), or 0. Elective options that are too short, too long or
// repeated against their definition are removed from r.
//
// The endpoint calls it for what arrives in clear. What arrives protected
// inside a message is checked by whoever removes the protection; more names
// the critical options understood there beside those of RFC 7252's URIs,
// Accept, Block1 and Block2. It does not allocate.
func CheckOptions(r *Request, more ...OptionID) OptionID {
	bad, n := filterOptions(r.Options, true, more)
	r.Options = r.Options[:n]
	return bad
}

// filterOptions removes what is to be ignored, in place, and returns the
// first critical option that is not recognized.
func filterOptions(o Options, request bool, more []OptionID) (bad OptionID, n int) {
	last := OptionID(0)
	for i := range o {
		id := o[i].ID
		if !recognized(&o[i], i > 0 && id == last, request, more) {
			if id.Critical() {
				return id, len(o)
			}
			last = id
			continue
		}
		if n != i {
			o[n] = o[i]
		}
		n++
		last = id
	}
	return 0, n
}

// recognized reports whether an option occurrence may be acted upon. Elective
// options this package knows nothing of are left for the handler to find.
func recognized(o *Option, again, request bool, more []OptionID) bool {
	rule, known := o.ID.rule()
	if !known {
		//spec:7252-5.4.1-1
		return !o.ID.Critical() || request && understood(o.ID, more)
	}
	switch {
	//spec:7252-5.4.3-1
	case len(o.Value) < int(rule.min) || len(o.Value) > int(rule.max):
		return false
	//spec:7252-5.4.5-2
	case again && !rule.repeatable:
		return false
	//spec:7252-5.4-2
	case request && !rule.request || !request && !rule.response:
		return false
	case request && o.ID.Critical():
		return understood(o.ID, more)
	}
	return true
}

// hasDotSegment reports whether a path has a segment that is none (RFC 7252,
// Sections 5.10.1 and 5.10.7).
func hasDotSegment(o Options, id OptionID) bool {
	//spec:7252-5.10.1-1
	//spec:7252-5.10.7-1
	for i := range o {
		if o[i].ID == id && (string(o[i].Value) == "." || string(o[i].Value) == "..") {
			return true
		}
	}
	return false
}

// badOption is the refusal of a request with a critical option that is not
// recognized (RFC 7252, Section 5.4.1).
func (r *Request) badOption(id OptionID) *Response {
	if id == ProxyURI || id == ProxyScheme {
		//spec:7252-5.10.2-1
		return r.NewResponse(ProxyingNotSupported)
	}
	resp := r.NewResponse(BadOption)
	resp.Payload = strconv.AppendUint([]byte("option "), uint64(id), 10)
	return resp
}
