package idalloc

import "fmt"

var stateNames = [...]string{"free", "reserved", "pending", "live", "quarantined"}

// String returns the state's name in lower case.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

var sourceNames = [...]string{"nobody", "ace", "edhoc", "b2", "ocf", "lwm2m", "knx", "provisioned"}

// String returns the source's name in lower case.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return fmt.Sprintf("source(%d)", uint8(s))
}

// String returns source and reference, as "lwm2m:pump-7".
func (h Holder) String() string { return h.Source.String() + ":" + h.Ref }
