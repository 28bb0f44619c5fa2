package edhocrunner

import (
	"bytes"
	"fmt"
)

// ErrorMessage is what an error message says (RFC 9528, Section 6).
type ErrorMessage struct {
	Code    int64
	Text    string  // of code 1
	SuitesR []int64 // of code 2
}

// ReadError takes an error message apart, and refuses one that is not as Section 6 has it.
func ReadError(msg []byte) (ErrorMessage, error) {
	items, err := Split(msg)
	if err != nil {
		return ErrorMessage{}, err
	}
	if len(items) != 2 {
		return ErrorMessage{}, fmt.Errorf("%w: %x is no error message", errMessage, msg)
	}
	var e ErrorMessage
	if e.Code, err = integer(items[0]); err != nil {
		return ErrorMessage{}, err
	}
	switch e.Code {
	case 1:
		var text []byte
		text, err = content(items[1], majorText)
		e.Text = string(text)
	case 2:
		e.SuitesR, err = suitesIn(items[1])
	case 3:
		if !bytes.Equal(items[1], []byte{0xf5}) {
			err = fmt.Errorf("%w: ERR_INFO %x", errMessage, items[1])
		}
	default:
		err = fmt.Errorf("%w: error code %d", errMessage, e.Code)
	}
	return e, err
}
