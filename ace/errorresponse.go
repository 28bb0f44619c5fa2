package ace

// An ErrorResponse is the payload of an error of the token or introspection
// endpoint (RFC 9200, Section 5.8.3). An RS answers with it, too, at authz-info
// (Section 5.10.1.1).
type ErrorResponse struct {
	Code        ErrorCode // error; always there
	Description string    // error_description
	URI         string    // error_uri

	others []other
}

// ParseErrorResponse decodes the payload of an error. It fails with an *Error.
func ParseErrorResponse(b []byte) (*ErrorResponse, error) {
	r := new(ErrorResponse)
	f := openFields(b)
	for f.next() {
		switch f.key {
		case keyError:
			f.ok = readCode(&f, &r.Code)
		case keyErrorDescription:
			f.ok = f.readText(&r.Description)
		case keyErrorURI:
			f.ok = f.readText(&r.URI)
		default:
			f.ok = f.keep(&r.others)
		}
	}
	if !f.end() || r.Code == 0 {
		return nil, f.malformed("RFC 9200, Section 5.8.3", "error response")
	}
	return r, nil
}

// Append appends the payload to dst.
//
//spec:9200-5.8.3-1
//spec:9200-5.8.3-3
//spec:9200-5.8.3-4
//spec:9200-5.9.3-1
//spec:9200-5.9.3-4
//spec:9200-5.9.3-5
func (r *ErrorResponse) Append(dst []byte) []byte {
	w := writeFields(dst, r.others)
	w.int(keyError, int64(r.Code))
	w.text(keyErrorDescription, r.Description)
	w.text(keyErrorURI, r.URI)
	return w.end()
}
