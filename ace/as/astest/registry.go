package astest

import (
	"context"

	"github.com/ostiary/ostiary/ace/as"
)

// Clients is an as.Clients: clients by name.
type Clients map[string]as.Client

// Client implements as.Clients.
func (c Clients) Client(ctx context.Context, name string) (as.Client, error) {
	client, ok := c[name]
	if !ok {
		return as.Client{}, as.ErrUnknown
	}
	return client, ctx.Err()
}

// ResourceServers is an as.ResourceServers: the RSs behind each audience.
type ResourceServers map[string][]as.ResourceServer

// ResourceServer implements as.ResourceServers.
func (r ResourceServers) ResourceServer(ctx context.Context, name string) (as.ResourceServer, error) {
	for _, group := range r {
		for _, rs := range group {
			if rs.Name == name {
				return rs, ctx.Err()
			}
		}
	}
	return as.ResourceServer{}, as.ErrUnknown
}

// Audience implements as.ResourceServers.
func (r ResourceServers) Audience(ctx context.Context, audience string) ([]as.ResourceServer, error) {
	group, ok := r[audience]
	if !ok {
		return nil, as.ErrUnknown
	}
	return group, ctx.Err()
}
