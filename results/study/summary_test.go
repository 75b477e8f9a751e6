package study

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/results/compare"
)

// TestSummary: sentences in order, one column a target, the last study of a plan
// counts, and one that made no run takes nothing away.
func TestSummary(t *testing.T) {
	made := func(name string, sentence int, quick bool, parts ...Part) *Study {
		return &Study{Name: name, Sentence: sentence, Says: "what " + name + " says", Quick: quick, Parts: parts}
	}
	part := func(plan, target string, runs int, d ...Decision) Part {
		return Part{Plan: plan, Target: target, System: target + " 1", Runs: runs, Decisions: d}
	}
	ratio := func(least, most float64) *compare.Range { return &compare.Range{Least: least, Most: most} }
	var file bytes.Buffer
	err := JSON(&file,
		made("table", 0, false, part("t", "stone", 3, Decision{Answer: NoAnswer, Ratio: ratio(1, 1)})),
		made("lag", 5, false, part("l", "stone", 12, Decision{Answer: Refuted, Ratio: ratio(1, 1)})),
		made("loss", 1, true, part("a", "sand", 4, Decision{Answer: Measured}, Decision{Answer: Machine, Ratio: ratio(2, 2)})),
		made("lag", 5, false, part("l", "stone", 12, Decision{Answer: Measured, Ratio: ratio(1.75, 2.5)}), part("m", "stone", 6, Decision{Answer: Measured})),
		made("lag", 5, false, part("l", "stone", 0, Decision{Answer: NoAnswer}), part("o", "clay", 0)),
	)
	if err != nil {
		t.Fatal(err)
	}
	told, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if lag := told[3]; len(lag.Targets()) != 1 || lag.Of("stone").Runs() != 18 || lag.Of("sand").Runs() != 0 || told[2].Of("sand").Parts[0].Plan != "a" {
		t.Errorf("%+v", lag)
	}
	want := "| | stone 1 | sand 1 |\n|---|---|---|\n" +
		"| 1. what loss says | – | ✓, !<sup>q</sup> |\n" +
		"| 5. what lag says | ✓ ×1.75 to 2.5, ✓ | – |\n" +
		"| what table says | ? | – |\n"
	got := Summary(told)
	if !strings.HasPrefix(got, want) || !strings.Contains(got, "quick: fewer") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	const before, after = "a\n" + SummaryBegin + "\n\n", "\n" + SummaryEnd + "\nz"
	if doc, err := SpliceSummary(before+"old"+after, told); err != nil || doc != before+got+after {
		t.Errorf("%q, %v", doc, err)
	}
	// What the table there tells of others stays, in its place.
	old := "| | mud | sand 0 | stone 1 |\n|---|---|---|---|\n| 3. what \\| says | ✗ | ? | – |\n| 5. what lag said | ✗ | ✓ ×3 | ? |\n\nwords\n"
	want = "| | mud | sand | stone 1 |\n|---|---|---|---|\n" +
		"| 1. what loss says | – | ✓, !<sup>q</sup> | – |\n" +
		"| 3. what \\| says | ✗ | ? | – |\n" +
		"| 5. what lag says | ✗ | ✓ ×3 | ✓ ×1.75 to 2.5, ✓ |\n" +
		"| what table says | – | – | ? |\n\n✓"
	doc, err := SpliceSummary(before+old+after, told)
	if err != nil || !strings.HasPrefix(doc, before+want) {
		t.Errorf("%v\n%s\nwant\n%s", err, doc, want)
	}
	if again, err := SpliceSummary(doc, told); err != nil || again != doc {
		t.Errorf("again: %v\n%s", err, again)
	}
	if _, err := SpliceSummary("nothing", told); !errors.Is(err, ErrMarks) {
		t.Errorf("no marks: %v", err)
	}
	for _, bad := range []string{"", "{}", "[1]", `{"studies": [{"parts": 3}]}`} {
		if _, err := Read(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "no study") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
