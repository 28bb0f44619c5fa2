package oscore

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
)

// The exchange that is measured: a request and a response of 30 bytes each, as plaintext
// (Section 5.3).
var (
	benchRequest = Message{
		Code:    0x02,
		Options: []Option{{Number: optionURIPath, Value: []byte("light")}, {Number: 12, Value: []byte{60}}},
		Payload: bytes.Repeat([]byte{0xa1}, 20),
	}
	benchResponse = Message{
		Code:    0x45,
		Options: []Option{{Number: 12, Value: []byte{60}}},
		Payload: bytes.Repeat([]byte{0xa2}, 26),
	}
)

func TestBenchmarkSizes(t *testing.T) {
	for name, m := range map[string]Message{"request": benchRequest, "response": benchResponse} {
		if b, _, err := split(nil, nil, &m, nil); err != nil || len(b) != 30 {
			t.Errorf("%s has a plaintext of %d bytes (%v), want 30", name, len(b), err)
		}
	}
}

// benchPair is a client, a server, and the server's table. The limits are out of the
// way: a run makes more messages than one key should.
func benchPair(b *testing.B) (client *Association, server *Contexts) {
	b.Helper()
	limits := Limits{Protected: 1 << 40}
	c, s := testParams(), testParams().mirror()
	client = mustAssociation(b, Config{Params: c, Limits: limits})
	server = &Contexts{}
	if err := server.Add(mustAssociation(b, Config{Params: s, Limits: limits})); err != nil {
		b.Fatal(err)
	}
	return client, server
}

// BenchmarkServerExchange is all that a server does with OSCORE for one request: find
// the context, check the window, decrypt, take the number, protect the response. Every
// request has a Partial IV of its own and is accepted; they are made a few thousand at
// a time, while the clock is stopped.
func BenchmarkServerExchange(b *testing.B) {
	client, server := benchPair(b)
	requests := make([]Message, 4096)
	var scratch Scratch
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(requests) == 0 {
			b.StopTimer()
			for j := range requests {
				p, _, err := client.ProtectRequest(benchRequest)
				if err != nil {
					b.Fatal(err)
				}
				requests[j], _ = p.Message()
			}
			b.StartTimer()
		}
		p, err := scratch.Parse(requests[i%len(requests)])
		if err != nil {
			b.Fatal(err)
		}
		_, m, x, err := server.VerifyRequest(p)
		if err != nil || len(m.Payload) != len(benchRequest.Payload) {
			b.Fatal(err)
		}
		if _, err := x.ProtectResponse(benchResponse); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServerExchangePlain is the same without a Scratch.
func BenchmarkServerExchangePlain(b *testing.B) {
	client, server := benchPair(b)
	requests := make([]Message, 4096)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(requests) == 0 {
			b.StopTimer()
			for j := range requests {
				p, _, err := client.ProtectRequest(benchRequest)
				if err != nil {
					b.Fatal(err)
				}
				requests[j], _ = p.Message()
			}
			b.StartTimer()
		}
		p, err := ParseProtected(requests[i%len(requests)])
		if err != nil {
			b.Fatal(err)
		}
		_, _, x, err := server.VerifyRequest(p)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := x.ProtectResponse(benchResponse); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAEADBaseline is what the exchange cannot do without: one Open and one Seal of
// AES-CCM-16-64-128, of the same sizes.
func BenchmarkAEADBaseline(b *testing.B) {
	aead, err := cose.AES_CCM_16_64_128.NewAEAD(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	nonce, aad := make([]byte, aead.NonceSize()), appendAAD(nil, cose.AES_CCM_16_64_128, []byte{1}, []byte{1, 2, 3})
	plaintext := make([]byte, 30)
	ciphertext := aead.Seal(nil, nonce, plaintext, aad)
	in, out := make([]byte, 0, 64), make([]byte, 0, 64)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := aead.Open(in, nonce, ciphertext, aad); err != nil {
			b.Fatal(err)
		}
		aead.Seal(out, nonce, plaintext, aad)
	}
}

// BenchmarkClientExchange is the other side: protect a request, verify its response.
func BenchmarkClientExchange(b *testing.B) {
	client, server := benchPair(b)
	b.ReportAllocs()
	for range b.N {
		p, x, err := client.ProtectRequest(benchRequest)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_, _, exchange, err := server.VerifyRequest(p)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := exchange.ProtectResponse(benchResponse)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := x.VerifyResponse(answer); err != nil {
			b.Fatal(err)
		}
	}
}
