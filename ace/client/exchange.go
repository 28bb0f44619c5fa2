package client

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/ostiary/ostiary/oscore"
)

// CoAP numbers (RFC 7252, Section 12).
const (
	codeGET  oscore.Code = 1
	codePOST oscore.Code = 2

	codeCreated      oscore.Code = 2<<5 | 1
	codeChanged      oscore.Code = 2<<5 | 4
	codeUnauthorized oscore.Code = 4<<5 | 1

	optionUriPath       = 11
	optionContentFormat = 12
)

// maxRetries bounds the challenges in a row: Echo and both messages of Appendix
// B.2 are fewer.
const maxRetries = 4

// request makes a message for a path. A segment with "/" in it cannot be written.
func request(code oscore.Code, path string, payload []byte, format uint16) oscore.Message {
	m := oscore.Message{Code: code, Payload: payload}
	if path = strings.Trim(path, "/"); path != "" {
		for segment := range strings.SplitSeq(path, "/") {
			m.Options = append(m.Options, oscore.Option{Number: optionUriPath, Value: []byte(segment)})
		}
	}
	if payload != nil {
		m.Options = append(m.Options, oscore.Option{Number: optionContentFormat, Value: uintValue(format)})
	}
	return m
}

// uintValue is the option format of a number (RFC 7252, Section 3.2).
func uintValue(v uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, v)
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// exchange sends m over the association and returns the response that verifies. It
// repeats the request where the peer asks for that in a protected response.
func exchange(ctx context.Context, t Transport, address string, a *oscore.Association, m oscore.Message) (oscore.Message, error) {
	for range maxRetries {
		response, err := exchangeOnce(ctx, t, address, a, m)
		var retry *oscore.Retry
		if !errors.As(err, &retry) {
			return response, err
		}
	}
	return oscore.Message{}, ErrRetries
}

func exchangeOnce(ctx context.Context, t Transport, address string, a *oscore.Association, m oscore.Message) (oscore.Message, error) {
	p, x, err := a.ProtectRequest(m)
	if err != nil {
		return oscore.Message{}, err
	}
	out, err := p.Message()
	if err != nil {
		return oscore.Message{}, err
	}
	in, err := t.Do(ctx, address, out)
	if err != nil {
		return oscore.Message{}, err
	}
	q, err := oscore.ParseProtected(in)
	if errors.Is(err, oscore.ErrUnprotected) {
		return in, &UnprotectedError{Code: in.Code}
	}
	if err != nil {
		return oscore.Message{}, err
	}
	return x.VerifyResponse(q)
}
