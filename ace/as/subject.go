package as

import "strings"

// rsMark begins the subject of an RS. No client has a name that begins with it.
const rsMark = "\x00"

// ResourceServerSubject is what a channel that has authenticated the RS called
// name calls it: the requester of Token and Introspect. A client's subject is its
// name, so that a client and an RS with one name are two subjects.
func ResourceServerSubject(name string) string { return rsMark + name }

// ResourceServerName is the name of the RS that subject stands for. It reports
// false for the subject of a client.
func ResourceServerName(subject string) (name string, ok bool) {
	return strings.CutPrefix(subject, rsMark)
}
