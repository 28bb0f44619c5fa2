package oscore

// A Scratch is memory for one exchange at a time of a server, so that a worker that
// handles requests one after the other allocates nothing. The zero value is ready.
//
// Parse begins an exchange. Everything that comes of its Protected, the Message, the
// [ServerExchange] and the protected response, lies in the Scratch and in the message
// that was parsed: it is good until the next Parse, and so is every pointer into it. An
// exchange that lives longer, for an observation or a separate response, is moved
// out with ServerExchange.Keep, a message with Message.Clone.
//
// A Scratch must not be copied, and is not safe for concurrent use.
type Scratch struct {
	scratch
}

// Parse is ParseProtected for an exchange whose memory is s.
func (s *Scratch) Parse(m Message) (Protected, error) {
	p, err := parseProtected(m)
	if err != nil {
		return Protected{}, err
	}
	p.scratch = s
	return p, nil
}
