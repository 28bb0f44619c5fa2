package coap

import "time"

// encode turns a response into the message to send, in x.out, and sees that
// dedup remembers it. x.out is empty if nothing is sent. The caller holds x.mu.
func (x *exchange) encode(resp *Response, now time.Duration) error {
	x.out = x.out[:0]
	if !resp.Code.IsResponse() || hasDotSegment(resp.Options, LocationPath) {
		return ErrBadRequest
	}
	if x.suppressed(resp.Code) {
		x.encodeNothing()
		return nil
	}
	options := resp.Options
	if resp.Options.Has(Observe) {
		options = x.acceptObservation(resp, now)
	}
	typ, id := x.envelope(now, false)
	var err error
	//spec:7252-5.3.1-1
	//spec:7252-5.3.1-2
	x.out, err = appendMessage(x.out, typ, resp.Code, id, x.token, options, resp.Payload)
	if err != nil {
		return err
	}
	//spec:9175-2.2.1-3
	//spec:9175-2.4-2
	if x.mustChallenge(resp, len(x.out)) {
		x.challenge(now)
	}
	x.remember()
	return nil
}

// remember stores the answer for duplicates of the request; as long as x is
// inline the reader does that. A separate answer is not their answer: they get
// the Empty acknowledgement once more.
func (x *exchange) remember() {
	if cap(x.out) > cap(x.spare) && cap(x.out) <= 2048 {
		x.spare = x.out
	}
	//spec:7252-4.2-9
	//spec:7252-4.2-10
	//spec:7252-5.2.2-2
	if x.typ == confirmable && !x.acked && !x.inline {
		x.lane.dedup.answerLate(x.noted, x.out)
	}
}

// envelope chooses the type and Message ID of an answer (RFC 7252, Sections
// 5.2.1 to 5.2.3).
func (x *exchange) envelope(now time.Duration, challenge bool) (messageType, uint16) {
	if x.typ == confirmable && !x.acked {
		//spec:7252-4.2-2
		//spec:7252-4.2-3
		//spec:7252-4.4-1
		return acknowledgement, x.id
	}
	typ := nonConfirmable
	if x.typ == confirmable && !challenge {
		typ = confirmable
	}
	e := x.e
	e.mu.Lock()
	defer e.mu.Unlock()
	id, fresh := e.ids.take(x.peer, now, true)
	if !fresh {
		e.count.idsReused.Add(1)
	}
	return typ, id
}

// suppressed reports whether a response is not to be sent: the client does
// not want it (RFC 7967, Section 2), or it would tell a group nothing
// (RFC 7252, Section 8.2).
func (x *exchange) suppressed(code Code) bool {
	if x.req.Multicast {
		x.delayed = true
		if !code.IsSuccess() {
			return true
		}
	}
	//spec:7967-2.1-1
	return x.suppress>>(code.Class()-1)&1 != 0
}

// encodeNothing makes the answer that is none: an Empty acknowledgement to a
// Confirmable request, and nothing to another.
func (x *exchange) encodeNothing() {
	x.delayed = false
	if x.typ != confirmable || x.acked {
		return
	}
	b := emptyMessage(acknowledgement, x.id)
	x.out = append(x.out, b[:]...)
	x.remember()
}
