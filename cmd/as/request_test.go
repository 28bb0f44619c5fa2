package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

func TestExplain(t *testing.T) {
	refused := func(code ace.ErrorCode) error {
		return &ace.PeerError{Code: ace.BadRequest, ErrorResponse: ace.ErrorResponse{Code: code}}
	}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"scope", refused(ace.InvalidScope), "no policy gives this client any of that scope"},
		{"other refusal", refused(ace.InvalidRequest), "the log of that server says why"},
		{"removed client", &client.UnprotectedError{Code: oscore.Code(coap.Unauthorized)}, "was the client removed"},
		{"silence", context.DeadlineExceeded, "is the address right? (coap://as/token, coap://rs/value)"},
		{"the rest", errors.New("other"), "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := fmt.Errorf("ask: %w", c.err)
			got := explain(err, "coap://as/token", "coap://rs/value")
			if !errors.Is(got, c.err) || !strings.Contains(got.Error(), c.want) {
				t.Errorf("got %q, want an error with %q around %v", got, c.want, c.err)
			}
		})
	}
}
