package coap

import (
	"bytes"
	"strings"
)

// A Mux is a Handler that passes each request on by its Uri-Path and method,
// in the manner of http.ServeMux.
//
//	mux.Handle("/token", h)          every method
//	mux.Handle("GET /temp", h)       GET only; other methods get 4.05
//	mux.Handle("/devices/", h)       the path and everything below it
//
// The longest pattern wins. A path nobody registered gets 4.04 (RFC 7252,
// Section 5.9.2.5), a method nobody registered 4.05 (Section 5.8). Resources
// described with Describe are listed in /.well-known/core (RFC 6690), which
// the Mux serves unless it is registered. The zero Mux is ready for use.
// Register everything before the first request.
type Mux struct {
	exact   map[string]*muxEntry
	subtree map[string]*muxEntry // by the path without its last slash
	links   []link
}

// muxEntry is what is registered for one path.
type muxEntry struct {
	any     Handler
	methods [8]Handler // by method; 0 is not used
}

// Handle registers a handler for a pattern. It panics for a pattern that is
// malformed or taken: that is a mistake in the program, as in net/http.
func (m *Mux) Handle(pattern string, h Handler) {
	method, path := parsePattern(pattern)
	table := &m.exact
	if strings.HasSuffix(path, "/") && path != "/" {
		table, path = &m.subtree, strings.TrimSuffix(path, "/")
	}
	if *table == nil {
		*table = make(map[string]*muxEntry)
	}
	var o Options
	o.SetPath(path)
	key := o.Path()
	e := (*table)[key]
	if e == nil {
		e = new(muxEntry)
		(*table)[key] = e
	}
	slot := &e.any
	if method != Empty {
		slot = &e.methods[method]
	}
	if *slot != nil || h == nil {
		panic("coap: pattern registered twice, or nil handler: " + pattern)
	}
	*slot = h
}

// HandleFunc registers a function for a pattern.
func (m *Mux) HandleFunc(pattern string, f func(w ResponseWriter, r *Request)) {
	m.Handle(pattern, HandlerFunc(f))
}

func parsePattern(pattern string) (Code, string) {
	name, path, ok := strings.Cut(pattern, " ")
	if !ok {
		name, path = "", pattern
	}
	if !strings.HasPrefix(path, "/") {
		panic("coap: pattern without path: " + pattern)
	}
	if name == "" {
		return Empty, path
	}
	for c := GET; c <= IPATCH; c++ {
		if strings.EqualFold(c.String(), name) {
			return c, path
		}
	}
	panic("coap: pattern with unknown method: " + pattern)
}

// ServeCOAP passes a request on.
func (m *Mux) ServeCOAP(w ResponseWriter, r *Request) {
	var buf [128]byte
	path := r.Options.AppendPath(buf[:0])
	e := m.find(path)
	if e == nil {
		if string(path) == wellKnownCore {
			m.serveCore(w, r)
			return
		}
		m.refuse(w, r, NotFound)
		return
	}
	if int(r.Code) < len(e.methods) && e.methods[r.Code] != nil {
		e.methods[r.Code].ServeCOAP(w, r)
		return
	}
	if e.any != nil && r.Code <= IPATCH {
		e.any.ServeCOAP(w, r)
		return
	}
	//spec:7252-5.8-1
	m.refuse(w, r, MethodNotAllowed)
}

// refuse answers with an error, but not to a group (RFC 7252, Section 8.2).
func (m *Mux) refuse(w ResponseWriter, r *Request, code Code) {
	if r.Multicast {
		drop(w)
		return
	}
	_ = w.Respond(r.NewResponse(code))
}

func (m *Mux) find(path []byte) *muxEntry {
	if e := m.exact[string(path)]; e != nil {
		return e
	}
	for len(m.subtree) > 0 {
		if e := m.subtree[string(path)]; e != nil {
			return e
		}
		i := bytes.LastIndexByte(path, '/')
		if i <= 0 {
			break
		}
		path = path[:i]
	}
	return nil
}
