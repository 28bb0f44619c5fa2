package coap

// An OptionID is an option number (RFC 7252, Section 5.4.6). Its lowest bits
// say how an endpoint or proxy that does not know the option treats it.
type OptionID uint16

// Option numbers (RFC 7252, Section 5.10; RFC 7641; RFC 7959; RFC 7967;
// RFC 8613; RFC 8768; RFC 9175; RFC 9668).
const (
	IfMatch       OptionID = 1
	URIHost       OptionID = 3
	ETag          OptionID = 4
	IfNoneMatch   OptionID = 5
	Observe       OptionID = 6
	URIPort       OptionID = 7
	LocationPath  OptionID = 8
	OSCORE        OptionID = 9
	URIPath       OptionID = 11
	ContentFormat OptionID = 12
	MaxAge        OptionID = 14
	URIQuery      OptionID = 15
	HopLimit      OptionID = 16
	Accept        OptionID = 17
	LocationQuery OptionID = 20
	EDHOC         OptionID = 21
	Block2        OptionID = 23
	Block1        OptionID = 27
	Size2         OptionID = 28
	ProxyURI      OptionID = 35
	ProxyScheme   OptionID = 39
	Size1         OptionID = 60
	Echo          OptionID = 252
	NoResponse    OptionID = 258
	RequestTag    OptionID = 292
)

// Critical reports whether a recipient that does not know the option must
// refuse the message (RFC 7252, Section 5.4.1).
func (id OptionID) Critical() bool { return id&1 != 0 }

// UnSafe reports whether a proxy that does not know the option must not
// forward it (RFC 7252, Section 5.4.2).
func (id OptionID) UnSafe() bool { return id&2 != 0 }

// NoCacheKey reports whether the option is no part of the cache key
// (RFC 7252, Section 5.4.6).
func (id OptionID) NoCacheKey() bool { return id&0x1e == 0x1c }

// optionRule is what an option's definition says of its length and number of
// occurrences, in a request and in a response.
type optionRule struct {
	min, max   uint16
	repeatable bool
	request    bool // defined for requests
	response   bool // defined for responses
}

// rules are the definitions of the options this package knows, up to Size1.
var rules = [...]optionRule{
	IfMatch:       {0, 8, true, true, false},
	URIHost:       {1, 255, false, true, false},
	ETag:          {1, 8, true, true, true},
	IfNoneMatch:   {0, 0, false, true, false},
	Observe:       {0, 3, false, true, true},
	URIPort:       {0, 2, false, true, false},
	LocationPath:  {0, 255, true, false, true},
	OSCORE:        {0, 255, false, true, true},
	URIPath:       {0, 255, true, true, false},
	ContentFormat: {0, 2, false, true, true},
	MaxAge:        {0, 4, false, true, true},
	URIQuery:      {0, 255, true, true, false},
	//spec:8768-3-1
	HopLimit:      {1, 1, false, true, false},
	Accept:        {0, 2, false, true, false},
	LocationQuery: {0, 255, true, false, true},
	EDHOC:         {0, 65535, false, true, false},
	//spec:7959-2.1-2
	Block1: {0, 3, false, true, true},
	Block2: {0, 3, false, true, true},
	//spec:7959-4-3
	Size1:       {0, 4, false, true, true},
	Size2:       {0, 4, false, true, true},
	ProxyURI:    {1, 1034, false, true, false},
	ProxyScheme: {1, 255, false, true, false},
}

// rule returns the definition of an option this package knows.
func (id OptionID) rule() (optionRule, bool) {
	if int(id) < len(rules) {
		r := rules[id]
		return r, r.request || r.response
	}
	switch id {
	case Echo:
		return optionRule{1, 40, false, true, true}, true
	case NoResponse:
		return optionRule{0, 1, false, true, false}, true
	//spec:9175-3.4-2
	case RequestTag:
		return optionRule{0, 8, true, true, false}, true
	}
	return optionRule{}, false
}
