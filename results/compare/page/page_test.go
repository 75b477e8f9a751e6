package page

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
	"github.com/aftershock-chaos/aftershock/results/timeline"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sampleRun is resultstest's run, its load later by some time, with some writes lost.
func sampleRun(id, name string, late int64, lost float64) Run {
	log := resultstest.LaggingLog()
	for i := range log.Ops {
		op := &log.Ops[i]
		op.Intended, op.Start, op.End = op.Intended+late, op.Start+late, op.End+late
	}
	for i := range log.Events {
		log.Events[i].At += late
	}
	found := resultstest.Found()
	for i := range found.Values {
		if found.Values[i].Name == "writes.lost" {
			found.Values[i].N = lost
		}
	}
	m := results.MeasureFound(log, found)
	v := results.Judge(results.Input{
		Plan:   results.PlanInfo{Name: name, Seed: 7, Target: "postgres", Replicas: 2, YAML: "name: x\nseed: 7\nduration: 8s\n"},
		Claims: []string{"writes.lost == 0", "reads.staleness.p99 < 1s"}, MinOps: 100, Log: log, Measured: m, Started: resultstest.Start,
	})
	return Run{ID: id, Link: "runs/" + id + "/report.html", Verdict: v, Over: timeline.Of(v, log, nil)}
}

func render(t testing.TB, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGoldenData: what two runs are drawn from.
func TestGoldenData(t *testing.T) {
	got, err := json.MarshalIndent(dataOf([]Run{sampleRun("a", "postgres-async", 0, 17), sampleRun("b", "postgres-async", resultstest.Sec, 0)}), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`,\n\s+(-?[0-9"n])`).ReplaceAllString(string(got), ",$1") + "\n" // a column is one line
	path := filepath.Join("testdata", "two.json")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs; run the test with -update and look at the difference.\n%s", path, text)
	}
}

// TestAlignment: the first fault is where each run has it, however late its load began.
func TestAlignment(t *testing.T) {
	d := dataOf([]Run{sampleRun("a", "x", 0, 17), sampleRun("b", "x", resultstest.Sec, 0)})
	if a, b := d.Runs[0], d.Runs[1]; a.Fault == nil || b.Fault == nil || *b.Fault-*a.Fault != 1 || len(a.Bands) != 2 {
		t.Errorf("faults at %v and %v", a.Fault, b.Fault)
	}
	at := func(r runData) float64 { // when writes first took long, from the first fault
		bins := *r.Bins
		for i, ms := range bins.Writes {
			if ms > 100 {
				return bins.First + float64(i)*bins.Width - *r.Fault
			}
		}
		t.Fatal("no write took long")
		return 0
	}
	if a, b := at(d.Runs[0]), at(d.Runs[1]); a < -0.1 || a > 0.1 || b < a-0.1 || b > a+0.1 {
		t.Errorf("writes took long from %v s and %v s after the faults", a, b)
	}
}

const hostile = "<script>alert(1)</script>&\"'\x1b[31m\x00\u202e]]></style><img src=x onerror=alert(1)>\r\n{{.}}"

func TestHostileStringsScriptNothing(t *testing.T) {
	a, b := sampleRun(hostile, hostile, 0, 1), sampleRun("b", "</script><script>alert(2)</script>", 0, 2)
	a.Verdict.Plan.Varied = []results.Setting{{Path: hostile, Value: hostile}}
	a.Verdict.Machine = &results.Machine{CPU: hostile}
	a.Verdict.Values = append(a.Verdict.Values, results.FactValue{Value: checkers.Value{Name: hostile, Why: hostile}, Unit: checkers.Unit(hostile)})
	a.Over.Bands[0].Label, a.Over.Spreads[0].Name = hostile, hostile
	written := render(t, Input{Runs: []Run{a, b}, Index: "index.html", Groups: []*compare.Comparison{{Base: hostile, Head: hostile, Warnings: []string{hostile}, Rows: []compare.Row{{Fact: hostile, Why: hostile}}}}})
	page := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(written)
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img") {
		t.Error("a string became markup")
	}
	if n := strings.Count(page, "<script"); n != 3 {
		t.Errorf("%d scripts, want the data, the charts and our own", n)
	}
	for _, outside := range []string{`<[^>]*\ssrc=`, "@import", `url\(`, `<[^>]*\sstyle=`, `<[^>]*\son[a-z]+=`, "unsafe-inline", "innerHTML", "https?://[^ ]*\"", "ZgotmplZ"} {
		if found := regexp.MustCompile(outside).FindString(page); found != "" {
			t.Errorf("the page has %s", found)
		}
	}
	if !strings.Contains(page, "default-src 'none'; style-src 'sha256-") {
		t.Error("the policy allows more than the page's own scripts and styles")
	}
}

// TestDamagedRuns: what cannot be drawn is compared by its facts all the same.
func TestDamagedRuns(t *testing.T) {
	for _, in := range []Input{{}, {Runs: []Run{{ID: "a", Verdict: &results.Verdict{}}, sampleRun("b", "x", 0, 1)}}} {
		render(t, in)
	}
	log := &history.Log{}
	v := results.Judge(results.Input{Log: log, Measured: results.MeasureFound(log, checkers.Result{})})
	d := dataOf([]Run{{ID: "a", Verdict: v}})
	if len(d.Runs) != 1 || d.Runs[0].Bins != nil || d.Runs[0].Fault != nil {
		t.Errorf("%+v", d.Runs)
	}
}
