package idalloc_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/idalloc"
)

// An EDHOC responder takes a C_R when it processes message_1 and keeps it when
// message_3 has verified.
func Example() {
	ids, err := idalloc.New(idalloc.Config{
		Now:      time.Now,
		Reserved: []idalloc.Range{{First: "\x00", Last: "\x0f"}}, // for provisioned devices
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	cI := idalloc.ID("\x20") // from message_1: C_R must differ
	pending, err := ids.Allocate(idalloc.Holder{Source: idalloc.SourceEDHOC, Ref: "session 1"}, cI)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pending.Abort() // does nothing after Confirm

	live, err := pending.Confirm()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(live.ID()), "byte")
	_ = live.Release() // when the context is gone

	// Output: 1 byte
}

// A provisioned identifier goes through the same allocator.
func ExampleAllocator_Claim() {
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := ids.Claim("\x01", idalloc.Holder{Source: idalloc.SourceLwM2M, Ref: "pump-7"}); err != nil {
		fmt.Println(err)
	}
	_, err = ids.Claim("\x01", idalloc.Holder{Source: idalloc.SourceOCF, Ref: "valve-2"})
	var conflict *idalloc.ConflictError
	fmt.Println(errors.As(err, &conflict), err)

	// Output: true idalloc: identifier "01" is live: held by lwm2m:pump-7
}
