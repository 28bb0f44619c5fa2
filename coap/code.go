package coap

import "strconv"

// A Code is the code of a message: a request method, a response code, or
// Empty (RFC 7252, Section 3 and 12.1). Its upper three bits are the class,
// its lower five the detail.
type Code uint8

// Empty is the code of a message that carries neither request nor response
// (RFC 7252, Section 4.1).
const Empty Code = 0

// Request methods (RFC 7252, Section 5.8; RFC 8132, Section 2).
const (
	GET    Code = 1
	POST   Code = 2
	PUT    Code = 3
	DELETE Code = 4
	FETCH  Code = 5
	PATCH  Code = 6
	IPATCH Code = 7
)

// Response codes (RFC 7252, Section 5.9; RFC 7959, Section 2.9; RFC 8132,
// Section 3.4; RFC 8516, Section 4; RFC 8768, Section 6.1).
const (
	Created                  Code = 2<<5 | 1
	Deleted                  Code = 2<<5 | 2
	Valid                    Code = 2<<5 | 3
	Changed                  Code = 2<<5 | 4
	Content                  Code = 2<<5 | 5
	Continue                 Code = 2<<5 | 31
	BadRequest               Code = 4<<5 | 0
	Unauthorized             Code = 4<<5 | 1
	BadOption                Code = 4<<5 | 2
	Forbidden                Code = 4<<5 | 3
	NotFound                 Code = 4<<5 | 4
	MethodNotAllowed         Code = 4<<5 | 5
	NotAcceptable            Code = 4<<5 | 6
	RequestEntityIncomplete  Code = 4<<5 | 8
	Conflict                 Code = 4<<5 | 9
	PreconditionFailed       Code = 4<<5 | 12
	RequestEntityTooLarge    Code = 4<<5 | 13
	UnsupportedContentFormat Code = 4<<5 | 15
	UnprocessableEntity      Code = 4<<5 | 22
	TooManyRequests          Code = 4<<5 | 29
	InternalServerError      Code = 5<<5 | 0
	NotImplemented           Code = 5<<5 | 1
	BadGateway               Code = 5<<5 | 2
	ServiceUnavailable       Code = 5<<5 | 3
	GatewayTimeout           Code = 5<<5 | 4
	ProxyingNotSupported     Code = 5<<5 | 5
	HopLimitReached          Code = 5<<5 | 8
)

// Class returns the class of c: 0 for requests, 2, 4 and 5 for responses.
func (c Code) Class() uint8 { return uint8(c) >> 5 }

// Detail returns the detail of c, 0 to 31.
func (c Code) Detail() uint8 { return uint8(c) & 0x1f }

// IsRequest reports whether c is a request method, known or not.
func (c Code) IsRequest() bool { return c != Empty && c.Class() == 0 }

// IsResponse reports whether c is a response code, known or not.
func (c Code) IsResponse() bool {
	class := c.Class()
	return class == 2 || class == 4 || class == 5
}

// IsSuccess reports whether c is of the success class, 2.xx.
func (c Code) IsSuccess() bool { return c.Class() == 2 }

// String returns a method's name, or a response code as "4.04 Not Found", or
// "c.dd" if it has no name.
func (c Code) String() string {
	name := c.name()
	if c == Empty || c.IsRequest() {
		if name != "" {
			return name
		}
		return c.dotted()
	}
	if name == "" {
		return c.dotted()
	}
	return c.dotted() + " " + name
}

func (c Code) dotted() string {
	detail := strconv.Itoa(int(c.Detail()))
	if len(detail) < 2 {
		detail = "0" + detail
	}
	return strconv.Itoa(int(c.Class())) + "." + detail
}

func (c Code) name() string {
	switch c {
	case Empty:
		return "Empty"
	case GET:
		return "GET"
	case POST:
		return "POST"
	case PUT:
		return "PUT"
	case DELETE:
		return "DELETE"
	case FETCH:
		return "FETCH"
	case PATCH:
		return "PATCH"
	case IPATCH:
		return "iPATCH"
	case Created:
		return "Created"
	case Deleted:
		return "Deleted"
	case Valid:
		return "Valid"
	case Changed:
		return "Changed"
	case Content:
		return "Content"
	case Continue:
		return "Continue"
	case BadRequest:
		return "Bad Request"
	case Unauthorized:
		return "Unauthorized"
	case BadOption:
		return "Bad Option"
	case Forbidden:
		return "Forbidden"
	case NotFound:
		return "Not Found"
	case MethodNotAllowed:
		return "Method Not Allowed"
	case NotAcceptable:
		return "Not Acceptable"
	case RequestEntityIncomplete:
		return "Request Entity Incomplete"
	case Conflict:
		return "Conflict"
	case PreconditionFailed:
		return "Precondition Failed"
	case RequestEntityTooLarge:
		return "Request Entity Too Large"
	case UnsupportedContentFormat:
		return "Unsupported Content-Format"
	case UnprocessableEntity:
		return "Unprocessable Entity"
	case TooManyRequests:
		return "Too Many Requests"
	case InternalServerError:
		return "Internal Server Error"
	case NotImplemented:
		return "Not Implemented"
	case BadGateway:
		return "Bad Gateway"
	case ServiceUnavailable:
		return "Service Unavailable"
	case GatewayTimeout:
		return "Gateway Timeout"
	case ProxyingNotSupported:
		return "Proxying Not Supported"
	case HopLimitReached:
		return "Hop Limit Reached"
	}
	return ""
}
