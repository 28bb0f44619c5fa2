package main

import (
	"errors"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/coap"
)

// mux routes the requests that came inside OSCORE.
func (a *authority) mux(server *as.Server) coap.Handler {
	m := new(coap.Mux)
	m.Handle(tokenPath(a.cfg.URI), a.pool.Handler(acecoap.TokenEndpoint(server, a.observeToken)))
	m.Handle(acecoap.IntrospectPath, a.pool.Handler(acecoap.IntrospectionEndpoint(server, a.observeIntrospection)))
	return m
}

func (a *authority) observeToken(client string, err error) {
	refused, why := refusal(client, err)
	switch {
	case err == nil:
		a.log.Info("token issued", "client", shown(client))
	case refused:
		a.log.Info("token refused", why...)
	default:
		a.log.Error("token not issued", why...)
	}
}

// observeIntrospection does not log each answer: a question comes with each token that
// a resource server cannot read.
func (a *authority) observeIntrospection(requester string, err error) {
	refused, why := refusal(requester, err)
	switch {
	case err == nil:
		a.log.Debug("introspection", "client", shown(requester))
	case refused:
		a.log.Info("introspection refused", why...)
	default:
		a.log.Error("introspection failed", why...)
	}
}

// refusal reports whether err blames the requester, and says what is to be logged.
func refusal(subject string, err error) (refused bool, why []any) {
	e, ok := errors.AsType[*as.Error](err)
	if !ok || e.Code == ace.InternalServerError {
		return false, []any{"client", shown(subject), "error", err}
	}
	code := "forbidden"
	if e.OAuth != 0 {
		code = e.OAuth.String()
	}
	return true, []any{"client", shown(subject), "code", code, "section", e.Section, "reason", e.Reason}
}
