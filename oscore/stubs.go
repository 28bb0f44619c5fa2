package oscore

type header struct {
	piv                   partialIV
	kid, kidContext       []byte
	hasKID, hasKIDContext bool
}
type partialIV struct{ n uint8 }

func (p partialIV) number() uint64 { return 0 }

type scratch struct{}

func parseProtected(m Message) (Protected, error) { return Protected{}, errToBeWritten }

func errorMessage(err error) Message { return Message{} }
