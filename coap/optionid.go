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

// rule returns the definition of an option this package knows.
func (id OptionID) rule() (optionRule, bool) {
	switch id {
	case IfMatch:
		return optionRule{0, 8, true, true, false}, true
	case URIHost:
		return optionRule{1, 255, false, true, false}, true
	case ETag:
		return optionRule{1, 8, true, true, true}, true
	case IfNoneMatch:
		return optionRule{0, 0, false, true, false}, true
	case Observe:
		return optionRule{0, 3, false, true, true}, true
	case URIPort:
		return optionRule{0, 2, false, true, false}, true
	case LocationPath, LocationQuery:
		return optionRule{0, 255, true, false, true}, true
	case OSCORE:
		return optionRule{0, 255, false, true, true}, true
	case URIPath, URIQuery:
		return optionRule{0, 255, true, true, false}, true
	case ContentFormat:
		return optionRule{0, 2, false, true, true}, true
	case MaxAge:
		return optionRule{0, 4, false, true, true}, true
	//spec:8768-3-1
	case HopLimit:
		return optionRule{1, 1, false, true, false}, true
	case Accept:
		return optionRule{0, 2, false, true, false}, true
	case EDHOC:
		return optionRule{0, 65535, false, true, false}, true
	//spec:7959-2.1-2
	case Block1, Block2:
		return optionRule{0, 3, false, true, true}, true
	//spec:7959-4-3
	case Size1, Size2:
		return optionRule{0, 4, false, true, true}, true
	case ProxyURI:
		return optionRule{1, 1034, false, true, false}, true
	case ProxyScheme:
		return optionRule{1, 255, false, true, false}, true
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
