package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
)

// issued makes the token number n.
func issued(n int64) as.Issued {
	hash := make([]byte, 33)
	copy(hash, fmt.Sprintf("\x01%032d", n))
	return as.Issued{
		CTI: fmt.Appendf(nil, "%08d", n), Hash: hash, Client: fmt.Sprintf("client-%d", n%100), Audience: "coap://valve.example.com",
		Servers: []string{"valve"}, KeyID: fmt.Appendf(nil, "k%d", n), KeyUse: as.NewKey, Scope: ace.TextScope("read", "write"),
		Profile: ace.ProfileCoAPOSCORE, IssuedAt: start.Add(0), Expires: start.Add(3600e9),
	}
}

var start = newClock().t

// BenchmarkRecord issues tokens: the ratio of 64 writers to 1 is what sharing a
// commit gains.
func BenchmarkRecord(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			var commits, changes int64
			s := openAt(b, b.TempDir(), func(c *Config) {
				c.Observer.Commit = func(n int, _ time.Duration, _ error) { commits++; changes += int64(n) }
			})
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if err := s.Record(b.Context(), issued(n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "durable/s")
			b.ReportMetric(float64(changes)/float64(commits), "changes/commit")
		})
	}
}
