package oscore

import (
	"fmt"
	"io"
)

// unprintable is embedded by the types from which fmt could walk to a key: for some
// verbs it follows pointers and does not ask what it finds there.
type unprintable struct{}

// Format implements fmt.Formatter.
func (unprintable) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "[oscore]") // fmt.State keeps the text in memory
}
