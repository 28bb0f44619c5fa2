package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/store"
)

func Example() {
	dir, err := os.MkdirTemp("", "ostiary")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "ostiary.db")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	// A client with the security context that it shares with the AS.
	err = s.Admin("installer").AddClient(ctx,
		as.Client{Name: "pump-7", Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}},
		store.Context{Name: "pump-7/1", Params: oscore.Params{
			MasterSecret: secret.Bytes("sixteen random.."), SenderID: []byte{0x01}, RecipientID: []byte{0x02},
		}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The AS finds it by the kid of a request, and its numbers survive a crash.
	contexts, err := s.ContextsByRecipientID(ctx, []byte{0x02})
	if err != nil {
		fmt.Println(err)
		return
	}
	first, err := s.Sequence(contexts[0].Name).Reserve(64)
	fmt.Println(contexts[0].Subject, contexts[0].Stale, first, err)

	// Output: pump-7 false 0 <nil>
}
