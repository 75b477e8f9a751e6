package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
)

func fact(name string, unit checkers.Unit, n float64) results.FactValue {
	return results.FactValue{Value: checkers.Value{Name: name, N: n, Known: true}, Unit: unit}
}

// cycled is a verdict of so many cycles.
func cycled(n int) *results.Verdict {
	v := &results.Verdict{Verdict: results.Holds, Nodes: []string{"n1", "n2"}, Plan: results.PlanInfo{Name: "cycles", Currency: "EUR"}, Machine: &results.Machine{CPU: "Z80", Cores: 2, Kernel: "6.1", ClockSource: "tsc", Engine: "docker: engine 20.10", Program: "abc"}}
	v.Values = []results.FactValue{fact("rto.cycles", checkers.Number, float64(n)), fact("rto.client.write.p50", checkers.Nanos, 1.5e9), fact("rpo.ops.max", checkers.Number, 17),
		fact("cost.cpu.per_write", checkers.Nanos, 123e3), fact("cost.money.per_million", checkers.Money, 0.25), fact("cost.n1.cpu", checkers.Nanos, 2e9), fact("cost.n1.memory", checkers.Bytes, 1e6)}
	for i := range n {
		id := fmt.Sprint("f", i+1)
		v.Faults = append(v.Faults, results.Fault{ID: id, Name: "kill", Executed: true})
		role := fact("rto."+id+".role", checkers.Nanos, 2e8)
		role.AtLeast, role.AtMost = true, 3e8
		least := fact("redundancy."+id+".restored", checkers.Nanos, 5e9)
		least.AtLeast = true
		v.Values = append(v.Values, role, least, fact("rpo."+id+".ops", checkers.Number, float64(i)))
	}
	return v
}

// TestObjectivesAreShown: each fault has its row with bounds, several cycles have
// their median and worst, and many faults leave only those in the text.
func TestObjectivesAreShown(t *testing.T) {
	show := func(v *results.Verdict) (text, rows string) {
		t.Helper()
		var b bytes.Buffer
		if err := Text(&b, v, TextOptions{Width: 140}); err != nil {
			t.Fatal(err)
		}
		all := RowsOf(v)
		return b.String(), fmt.Sprint(all.Recovery, all.Cost, all.Nodes)
	}
	want := func(what, text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("the %s lacks %q:\n%s", what, part, text)
			}
		}
	}
	text, rows := show(cycled(2))
	want("text", text, "f2 kill", "200ms–300ms", "≥5s", "median", "1.5s", "worst", "17", "cpu per write 123µs", "a million writes 0.25 EUR", "on   Z80, 2 processors, kernel 6.1, clock tsc, docker: engine 20.10, aftershock abc")
	want("rows", rows, "f2 kill", "200ms–300ms", "≥5s", "median", "123µs", "1 MB")
	text, rows = show(cycled(40))
	want("text", text, "median", "worst")
	want("rows", rows, "f40 kill")
	if strings.Contains(text, "f3 kill  ") || strings.Count(text, "\n") > maxTextLines {
		t.Errorf("the text is too long:\n%s", text)
	}
	var table bytes.Buffer
	if err := Markdown(&table, cycled(2)); err != nil {
		t.Fatal(err)
	}
	want("table", table.String(), "on Z80, 2 processors")
	if text, _ := show(&results.Verdict{Faults: []results.Fault{{ID: "f1", Executed: true}}}); strings.Contains(text, "caught up") || strings.Contains(text, "cost") || strings.Contains(text, "on   ") {
		t.Errorf("of an old verdict it tells\n%s", text)
	}
}
