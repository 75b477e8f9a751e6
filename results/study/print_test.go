package study

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/results"
)

func printed() *Study {
	d := []question.Decision{change(fact, question.Rises), {Says: "it | loses <b>", Claim: "writes.lost > 0", Expect: question.Sometimes}}
	part := Of(Made{Plan: "p", Target: "ripple", Across: []string{"target.replicas"}, Wanted: 14, Notes: []string{"one.", "two", "three", "four"},
		Study:    question.Study{Says: "x", Decide: d, Shows: []string{fact, "lag.p50"}},
		Variants: []Variant{variantOf("0", 0.1, 1, 1, 1, 1, 1, 1.5), variantOf("2", 0.1, 2, 3, 2, 2, 3, 2)}})
	part.Machine = &results.Machine{CPU: "a | processor"}
	return &Study{Version: Version, Name: "n", Sentence: 4, Says: "replicas *cost*", Quick: true, Parts: []Part{part}, Except: []Except{{Target: "etcd", Why: "it | is not"}}}
}

// TestMarkdown: every row has as many cells as the head, nothing of the data is
// markup, and notes are bounded.
func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, printed()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"## 4. replicas \\*cost\\*", "**ripple** (12 of 14 runs, quick)", "**measured**: latency.write.p50 1ms → 2ms", "it \\| loses &lt;b>", "| 0 | 6 | 1ms [1ms to 1.5ms] | – | 0.1 |",
		"1 more note on the page", "a \\| processor", "Not asked of etcd: it \\| is not."} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
	cells := 0
	for line := range strings.Lines(text) {
		if n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); strings.HasPrefix(line, "|") && cells == 0 {
			cells = n
		} else if strings.HasPrefix(line, "|") && n != cells {
			t.Errorf("%d cells and not %d: %s", n, cells, line)
		}
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, printed(), printed()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"4. replicas *cost*\n  quick: fewer", "ripple, 12 of 14 runs\n  ✓ latency.write.p50 rises\n    measured: ", "\n  ! four\n", "not asked of etcd"} {
		if strings.Count(b.String(), want) != 2 {
			t.Errorf("there is no %s in\n%s", want, &b)
		}
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, printed()); err != nil {
		t.Fatal(err)
	}
	var back struct{ Studies []Study }
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || len(back.Studies) != 1 {
		t.Fatal(err)
	}
	p := back.Studies[0].Parts[0]
	if p.Decisions[0].Answer != Measured || p.Decisions[0].Bounds == nil || p.Rows[1].Cells[0].Median.Least != 2e6 || back.Studies[0].Version != Version {
		t.Errorf("%+v", p)
	}
}
