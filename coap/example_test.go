package coap_test

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/coap"
)

// A server and a client on loopback.
func Example() {
	var mux coap.Mux
	mux.HandleFunc("GET /temperature", func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		resp.Payload = []byte("22.3 C")
		_ = w.Respond(resp)
	})
	mux.Describe("/temperature", coap.Attribute{Name: "rt", Value: "temperature-c"})
	server, err := coap.Listen("udp", "127.0.0.1:0", coap.Config{Handler: &mux})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	client, err := coap.Dial("udp", server.LocalAddr().String(), coap.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	for _, path := range []string{"/temperature", "/.well-known/core?rt=temperature-c", "/humidity"} {
		resp, err := client.Get(context.Background(), path)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v: %s\n", resp.Code, resp.Payload)
	}
	// Output:
	// 2.05 Content: 22.3 C
	// 2.05 Content: </temperature>;rt="temperature-c"
	// 4.04 Not Found:
}

// A handler that may wait runs in a pool, and its answer is sent separately.
func ExamplePool() {
	pool := coap.NewPool(coap.PoolConfig{Workers: 4})
	defer pool.Close()
	var mux coap.Mux
	mux.Handle("POST /commit", pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		// A disk is written here.
		_ = w.Respond(&coap.Response{Code: coap.Changed})
	})))
	server, err := coap.Listen("udp", "127.0.0.1:0", coap.Config{Handler: &mux})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	r := coap.NewRequest(coap.POST, "/commit")
	r.RemoteAddr = server.LocalAddr()
	resp, err := server.Do(context.Background(), r) // one socket is client and server
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Code)
	// Output: 2.04 Changed
}
