package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

// What our own clients wrote is told by who wrote it; numbers of another tool's history
// stay as they are.
func TestWorded(t *testing.T) {
	const value = "6597069766890" // client 6's write 234: 6<<40 + 234
	for _, foreign := range []bool{false, true} {
		v := &results.Verdict{Verdict: results.Violated, Plan: results.PlanInfo{Name: "p", Foreign: foreign},
			Findings: []results.Finding{{Class: checkers.LostWrite, Text: "the write of " + value + " is gone"}},
			Claims:   []results.ClaimResult{{Claim: "writes.lost == 0", Answer: results.Violated, Detail: "writes.lost = 1", Findings: []int{0}}}}
		for format, print := range map[string]func(*bytes.Buffer) error{
			"text":   func(b *bytes.Buffer) error { return Text(b, v, TextOptions{Width: 200}) },
			"github": func(b *bytes.Buffer) error { return GitHub(b, v) },
			"junit":  func(b *bytes.Buffer) error { return JUnit(b, v) },
		} {
			var b bytes.Buffer
			if err := print(&b); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), value) != foreign || strings.Contains(b.String(), "client 6, write 234") == foreign {
				t.Errorf("%s, foreign %v:\n%s", format, foreign, b.String())
			}
		}
	}
}
