package report

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

// finished is a run of a plan with its facts: "writes.lost=17 failover.max=? lag.p99=≥5".
func finished(target, plan string, answer results.Answer, facts string) *results.Verdict {
	v := &results.Verdict{Verdict: answer, Started: resultstest.Start, Plan: results.PlanInfo{Name: plan, Target: target, Host: "docker", Replicas: 2}}
	for _, word := range strings.Fields(facts) {
		name, n, _ := strings.Cut(word, "=")
		value := results.FactValue{Value: checkers.Value{Name: name}}
		if n, atLeast := strings.CutPrefix(n, "≥"); n != "?" {
			value.Known, value.AtLeast = true, atLeast
			fmt.Sscan(n, &value.N)
		}
		v.Values = append(v.Values, value)
	}
	return v
}

func sampleRuns() []*results.Verdict {
	kill := results.Fault{Name: "kill", What: "kill primary"}
	sync := []*results.Verdict{
		finished("postgres synchronous_commit=on", "sync", results.Holds, "writes.lost=0 lag.p99=3e6 latency.write.p99=2e6 failover.max=1e9"),
		finished("postgres synchronous_commit=on", "sync", results.Violated, "writes.lost=4 lag.p99=9e6 latency.write.p99=4e6 failover.max=?"),
		finished("postgres synchronous_commit=on", "sync", results.Holds, "writes.lost=1 lag.p99=5e6 latency.write.p99=3e6 failover.max=2e9"),
	}
	async := finished("postgres synchronous_commit=local", "async", results.Holds, "writes.lost=≥17 set.lost=1 reads.staleness.p99=2e6 lag.p99=?")
	async.Faults = []results.Fault{kill, {Name: "pause", What: "replica"}, kill, {Name: "partition", What: "partition isolate primary"},
		{Name: "kill", What: "n1"}, {Name: "kill", What: "n2"}, {Name: "kill", What: "n3"}}
	async.Plan.Image, async.Started = "aftershock/postgres:15", resultstest.Start.Add(48*time.Hour)
	queue := finished("nats", "queue", results.Unproven, "queue.lost=? latency.enqueue.p99=7e6")
	queue.Plan.Replicas = 0
	varied := func(n string) *results.Verdict {
		v := finished("nats", "readers", results.Holds, "queue.lost=12")
		v.Plan.Varied = []results.Setting{{Path: "workloads.0.read_from", Value: n}, {Path: "target.replicas", Value: "2"}}
		return v
	}
	return []*results.Verdict{sync[0], async, sync[1], varied("replicas"), varied("any"), queue, sync[2]}
}

func TestComparison(t *testing.T) {
	var b bytes.Buffer
	if err := Comparison(&b, sampleRuns()...); err != nil {
		t.Fatal(err)
	}
	wantRows(t, b.String(), [][]string{
		strings.Fields("plan mode host verdict lost, worst staleness p99, median lag p99, median failover max, median write p99, median"),
		strings.Fields("queue single docker unknown ? msgs – – – 7ms"),
		strings.Fields("readers workloads.0.read_from=replicas 2 replicas docker holds 12 msgs – – – –"),
		strings.Fields("readers workloads.0.read_from=any 2 replicas docker holds 12 msgs – – – –"),
		strings.Fields("async synchronous_commit=local 2 replicas docker holds ≥17 writes, 1 element 2ms ? – –"),
		strings.Fields("sync synchronous_commit=on 2 replicas docker violated, held 2 of 3 4 writes – 5ms ≥1s 3ms"),
	})
}

// TestComparisonOfControls: a row tells in how many runs its control was violated, and
// that of a plan without one, or whose control was not made, is no pass of it.
func TestComparisonOfControls(t *testing.T) {
	set := []results.Setting{{Path: "target.options.fsync", Value: "off|on"}}
	with := func(c *results.Control) *results.Verdict {
		v := finished("etcd", "p", results.Holds, "writes.lost=0")
		v.Control = c
		return v
	}
	violated := &results.Control{Set: set, Tries: 2, Violated: 1, Detail: "writes.lost = 69"}
	var b, m bytes.Buffer
	runs := []*results.Verdict{with(violated), with(&results.Control{Set: set, Tries: 3, Detail: "writes.lost = 0"}), with(&results.Control{Why: "--no-control"}), finished("etcd", "q", results.Holds, "writes.lost=0")}
	if err := errors.Join(Comparison(&b, runs...), Markdown(&m, runs...)); err != nil {
		t.Fatal(err)
	}
	wantRows(t, b.String(), [][]string{
		strings.Fields("plan mode host verdict could fail lost, worst staleness p99, median lag p99, median failover max, median write p99, median"),
		strings.Fields("p 2 replicas docker holds 3 of 3 1 of 3 0 writes – – – – – – – –"),
		strings.Fields("q 2 replicas docker holds – 0 writes – – – – – – – –"),
	})
	if want := `| holds 3 of 3 | 1 of 3<br>with target.options.fsync=off\|on: writes.lost = 69 |`; !strings.Contains(m.String(), want) {
		t.Errorf("%s\nlacks %s", m.String(), want)
	}
}

// TestComparisonOfVersions: runs of two versions are never of one row.
func TestComparisonOfVersions(t *testing.T) {
	older, newer := finished("etcd reads=serializable", "p", results.Holds, "writes.lost=1"), finished("etcd reads=serializable", "p", results.Holds, "writes.lost=0")
	older.Plan.Version, newer.Plan.Version = "3.5.16", "3.6.16"
	var b bytes.Buffer
	if err := Comparison(&b, older, newer); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3.5.16 reads=serializable", "3.6.16 reads=serializable"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no row of %s:\n%s", want, b.String())
		}
	}
}

// TestComparisonOfDataAndWords: a run of old, which has its target in words
// alone, stands in the same row as a new one, and looks the same.
func TestComparisonOfDataAndWords(t *testing.T) {
	words := finished("etcd fsync-interval=1s fsync=off name=a b", "p", results.Holds, "writes.lost=1")
	data := finished(words.Plan.Target, "p", results.Holds, "writes.lost=3")
	data.Plan.TargetName, data.Plan.Options = "etcd", map[string]string{"name": "a b", "fsync": "off", "fsync-interval": "1s"}
	table := func(verdicts ...*results.Verdict) string {
		var b bytes.Buffer
		if err := errors.Join(Comparison(&b, verdicts...), Markdown(&b, verdicts...)); err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(b.String(), "3 writes", "1 write")
	}
	if groups := compare([]*results.Verdict{words, data}); len(groups) != 1 {
		t.Errorf("%d rows, want 1", len(groups))
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if old, now := squeeze(table(words)), squeeze(table(data)); old != now {
		t.Errorf("the table of a run of old is\n%s\nof a new one\n%s", old, now)
	}
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, sampleRuns()...); err != nil {
		t.Fatal(err)
	}
	golden(t, "comparison.md", b.Bytes())
	b.Reset()
	if err := Markdown(&b, sampleRuns()[1]); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.Contains(text, "median") || strings.Contains(text, "worst") || !strings.Contains(text, "| lost |") {
		t.Errorf("a table of single runs speaks of several:\n%s", text)
	}
	b.Reset()
	if err := Markdown(&b); err != nil || strings.Count(b.String(), "\n") != 4 {
		t.Errorf("a table of nothing: %v\n%s", err, b.String())
	}
}

// TestHostileNamesInMarkdown: no name breaks a row or becomes a tag or a link.
func TestHostileNamesInMarkdown(t *testing.T) {
	var b bytes.Buffer
	v := finished("x| `y` <img src=x> a|b", "[click](http://x) | **bold** "+hostile, results.Holds, "writes.lost=1")
	v.Plan.Host, v.Plan.Image, v.Faults = hostile, "a`"+hostile, []results.Fault{{Name: hostile, What: "|"}}
	v.Plan.Varied = []results.Setting{{Path: "a|b", Value: "c`d"}}
	if err := Markdown(&b, v); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines:\n%s", len(lines), b.String())
	}
	columns := func(line string) int { return strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") }
	if columns(lines[2]) != columns(lines[0]) || columns(lines[4]) != 0 {
		t.Errorf("a row has %d bars, the head %d:\n%s", columns(lines[2]), columns(lines[0]), lines[2])
	}
	shown := strings.NewReplacer(`\<`, "", `\[`, "", `\*`, "").Replace(b.String()) // what is not escaped
	for _, bad := range []string{"<img", "[click", "**bold", "<script"} {
		if strings.Contains(shown, bad) {
			t.Errorf("%q came through:\n%s", bad, b.String())
		}
	}
}

// TestMedianAgreesWithDefinition: whatever the unknown values are, the median
// is between the bounds, and some choice reaches each.
func TestMedianAgreesWithDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var values []between
		var truth []float64
		for range rapid.IntRange(1, 7).Draw(t, "n") {
			n := rapid.Float64Range(0, 100).Draw(t, "value")
			b := rapid.SampledFrom([]between{{n, n}, {n / 2, math.Inf(1)}, {0, math.Inf(1)}}).Draw(t, "known")
			values, truth = append(values, b), append(truth, n)
		}
		got, want := median(values), middle(slices.Clone(truth))
		if got.low > want || want > got.high {
			t.Fatalf("the median of %v is in %v, of %v it is %v", values, got, truth, want)
		}
	})
	for want, values := range map[string][]between{
		"5": {{9, 9}, {1, 1}, {5, 5}}, "3": {{2, 2}, {4, 4}}, "≥2": {{2, 2}, {4, 4}, {0, math.Inf(1)}},
		"?": {{0, math.Inf(1)}, {3, 3}, {0, math.Inf(1)}}, "≥4": {{4, math.Inf(1)}}, "0": {{0, 0}},
	} {
		if got := median(values).show(units.Digits); got != want {
			t.Errorf("the median of %v is shown as %s, want %s", values, got, want)
		}
	}
}

func TestWorstLoss(t *testing.T) {
	for facts, want := range map[string]string{
		"0 3": "3 writes", "0 1": "1 write", "0 ?": "? writes", "2 ?": "≥2 writes", "≥2 9": "≥9 writes", "0 0": "0 writes",
	} {
		var c compared
		for _, n := range strings.Fields(facts) {
			c.runs = append(c.runs, finished("x", "y", results.Holds, "writes.lost="+n))
		}
		if got := c.lost(); got != want {
			t.Errorf("the worst of %s is %q, want %q", facts, got, want)
		}
	}
	if got := (&compared{runs: []*results.Verdict{finished("x", "y", results.Holds, "")}}).lost(); got != "–" {
		t.Errorf("a run that measured no loss shows %q", got)
	}
}

func TestSplice(t *testing.T) {
	file := "# Title\n\n" + TableBegin + "\nold\n" + TableEnd + "\nrest\n"
	got, err := Splice(file, "\n| new |\n\n")
	if want := "# Title\n\n" + TableBegin + "\n| new |\n" + TableEnd + "\nrest\n"; err != nil || got != want {
		t.Fatalf("got %v\n%s", err, got)
	}
	if again, err := Splice(got, "| new |"); err != nil || again != got {
		t.Errorf("doing it again changes it: %v\n%s", err, again)
	}
	for _, bad := range []string{"", TableBegin, TableEnd + TableBegin, file + file, TableBegin + TableBegin + TableEnd} {
		if _, err := Splice(bad, "x"); !errors.Is(err, ErrMarks) {
			t.Errorf("%q gives %v", bad, err)
		}
	}
}

// TestOtherPlanOfOneName: runs are put together by what they were asked, not by what
// their plan is called.
func TestOtherPlanOfOneName(t *testing.T) {
	run := func(yaml string, answer results.Answer) *results.Verdict {
		v := finished("ripple", "p", answer, "writes.lost=0")
		v.Plan.YAML = yaml
		return v
	}
	clean := run("name: p\nseed: 1\nduration: 1s\n", results.Holds)
	again := run("duration: 1s\nseed: 2\nname: p\nabout: the same, told otherwise\n", results.Holds)
	chaos := run("name: p\nseed: 1\nduration: 16s\n", results.Violated)
	groups := compare([]*results.Verdict{clean, chaos, again})
	if len(groups) != 2 || len(groups[0].runs) != 2 || groups[0].answer() != "holds 2 of 2" || groups[1].answer() != "violated" {
		t.Fatalf("%+v", groups)
	}
	if slices.Equal(groups[0].mode, groups[1].mode) {
		t.Errorf("both rows tell %v", groups[0].mode)
	}
}
