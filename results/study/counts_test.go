package study

import (
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
)

// TestCounts: studies that search for a greatest rate are told in a table of their own,
// one row a variant, in which a target's rows take the place of its older ones and those
// of others stay.
func TestCounts(t *testing.T) {
	variant := func(lost float64, settings ...string) Row {
		sum := compare.Summary{Fact: "writes.lost", Unit: checkers.Number, Values: []compare.Range{{Least: lost, Most: lost}}, Median: compare.Range{Least: lost, Most: lost}}
		r := Row{Cells: []Cell{{Words: "100/s to 110/s"}, {Summary: &sum}, {}}, Runs: 2}
		for i := 0; i < len(settings); i += 2 {
			r.Settings = append(r.Settings, results.Setting{Path: settings[i], Value: settings[i+1]})
		}
		return r
	}
	made := func(quick bool, system string, rows ...Row) *Study {
		target, _, _ := strings.Cut(system, " ")
		return &Study{Name: "table", Says: "what it costs", Quick: quick, Parts: []Part{{
			Plan: "table-" + target, Target: target, System: system, Runs: 2, Across: []string{"target.replicas", "target.options.ack"}, Rows: rows,
			Columns: []Column{{Fact: question.MaxRate, Of: question.Limit}, {Fact: "writes.lost", Of: question.Killed}, {Fact: "lag.p99", Of: question.Steady}}}}}
	}
	sentence := &Study{Name: "loss", Sentence: 1, Says: "loss", Parts: []Part{{Plan: "l", Target: "stone", System: "stone 2", Runs: 1, Decisions: []Decision{{Answer: Measured}}}}}
	stone := made(false, "stone 2", variant(0, "target.replicas", "0", "target.options.ack", ""), variant(7, "target.replicas", "2", "target.options.ack", "a|b"))
	empty := made(false, "stone 3")
	empty.Parts[0].Runs = 0
	got := Summary([]*Study{made(true, "stone 1", variant(1, "target.replicas", "4")), stone, sentence, empty})
	dashes := func(n int) string { return strings.Repeat(" – |", n) }
	table := "| stone 2 | 0 | – | 100/s to 110/s |" + dashes(8) + " 0 | – |\n" +
		"| stone 2 | 2 | ack=a\\|b | 100/s to 110/s |" + dashes(8) + " 7 | – |\n"
	if !strings.HasPrefix(got, "| | stone 2 |\n|---|---|\n| 1. loss | ✓ |\n\n✓") || !strings.Contains(got, "\n\n| system | replicas | with | greatest rate | ") ||
		!strings.Contains(got, "---:|\n"+table+"\nThe greatest") || strings.Contains(got, "<sup>") {
		t.Errorf("got\n%s", got)
	}
	// Of others in a file all stays; what is newer of a target takes the place of all of its rows.
	file := "a\n" + SummaryBegin + "\n\n" + got + "\n" + SummaryEnd + "\nz"
	sand := made(true, "sand", variant(3, "target.replicas", "1"))
	both, err := SpliceSummary(file, []*Study{sand})
	row := "| sand<sup>q</sup> | 1 | – | 100/s to 110/s |" + dashes(8) + " 3 | – |\n"
	if err != nil || !strings.Contains(both, "---:|\n"+table+row+"\n") || !strings.Contains(both, "| 1. loss | ✓ |\n") || !strings.Contains(both, "quick: fewer") {
		t.Errorf("%v, got\n%s", err, both)
	}
	again, err := SpliceSummary(both, []*Study{made(false, "stone 4", variant(9, "target.replicas", "0"))})
	if err != nil || !strings.Contains(again, "---:|\n| stone 4 | 0 | – | 100/s to 110/s |"+dashes(8)+" 9 | – |\n"+row+"\n") {
		t.Errorf("%v, got\n%s", err, again)
	}
	if alone := Summary([]*Study{sand}); !strings.HasPrefix(alone, "| system |") {
		t.Errorf("got\n%s", alone)
	}
}
