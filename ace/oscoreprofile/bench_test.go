package oscoreprofile

import "testing"

// BenchmarkPost is authz-info from the payload to the installed context, with what
// makes room for it.
func BenchmarkPost(b *testing.B) {
	s := newServer(b, nil)
	payload := newClient(b).upload(s.token(claims("c1")), material("c1")).Payload()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.post(payload); err != nil {
			b.Fatal(err)
		}
	}
}
