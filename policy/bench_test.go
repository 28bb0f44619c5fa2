package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/ace"
)

// BenchmarkDecide asks one question of 10,000 policies for 1,000 audiences.
func BenchmarkDecide(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "permit (principal == Client::\"c%d\", action == Action::\"GET\", resource == Path::\"/s/temp\") when { resource in Audience::\"rs%d\" };\n", i/1000, i%1000)
	}
	s := parse(b, text.String())
	for name, scope := range map[string]ace.Scope{
		"AIF":  aif(ace.Permission{Path: "/s/temp", Methods: ace.GET}),
		"text": ace.TextScope("read"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Decide(Request{Subject: "c3", Audience: "rs17", Scope: scope})
			}
		})
	}
}
