package loadflood

import (
	"io"
	"runtime"
	"time"

	"github.com/ostiary/ostiary/coap"
)

// status is what the server says of itself.
type status struct {
	Heap       uint64
	Goroutines int
	Received   uint64
	Evicted    uint64
}

// serve is the server's process: /fast answers at once, /slow in a Pool after
// a while.
func serve(in io.Reader, out io.Writer) error {
	pool := coap.NewPool(coap.PoolConfig{})
	defer pool.Close()
	var mux coap.Mux
	mux.HandleFunc("GET /fast", func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		resp.Payload = []byte("fast")
		_ = w.Respond(resp)
	})
	mux.Handle("POST /slow", pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) {
		time.Sleep(slowness)
		_ = w.Respond(&coap.Response{Code: coap.Changed})
	})))
	e, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: &mux})
	if err != nil {
		return err
	}
	defer e.Close()
	return answer(in, out, func(question string) (any, error) {
		if question == "address" {
			return e.LocalAddr().String(), nil
		}
		s := e.Stats()
		v := status{Received: s.Received, Evicted: s.DedupEvicted}
		if question == "status" {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			v.Heap, v.Goroutines = m.HeapAlloc, runtime.NumGoroutine()
		}
		return v, nil
	})
}
