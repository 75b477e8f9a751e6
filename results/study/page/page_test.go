package page

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/compare"
	"github.com/aftershock-chaos/aftershock/results/study"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite the golden files")

// summary is a fact of some runs.
func summary(fact string, unit checkers.Unit, interval bool, values ...compare.Range) study.Cell {
	s := compare.Summary{Fact: fact, Unit: unit, Values: values, Median: values[len(values)/2]}
	if interval {
		s.Interval = &compare.Range{Least: values[0].Least, Most: values[len(values)-1].Most}
	}
	return study.Cell{Summary: &s}
}

func exact(ns ...float64) []compare.Range {
	var all []compare.Range
	for _, n := range ns {
		all = append(all, compare.Range{Least: n, Most: n})
	}
	return all
}

func sample() *study.Study {
	const hostile = `<script>alert("1")</script>`
	set := func(replicas, mode string) []results.Setting {
		return []results.Setting{{Path: "target.replicas", Value: replicas}, {Path: "target.options.replication", Value: mode}}
	}
	unknown := compare.Range{Least: math.Inf(-1), Most: math.Inf(1)}
	return &study.Study{
		Version: study.Version, Name: "cost", Sentence: 9, Says: "replication costs " + hostile, Quick: true, Command: "aftershock study 'cost' " + hostile,
		Parts: []study.Part{{
			Plan: "cost-ripple", Target: "ripple", System: "ripple 1", Host: "local", Across: []string{"target.replicas", "target.options.replication"},
			Machine: &results.Machine{CPU: "a processor", Cores: 2, System: "a system " + hostile},
			Columns: []study.Column{{Fact: "latency.write.p50", Unit: checkers.Nanos}, {Fact: "writes.lost", Unit: checkers.Number, Of: "killed"}, {Fact: "lag.p50", Unit: checkers.Nanos}},
			Rows: []study.Row{
				{Settings: set("0", "async"), Runs: 6, Dirs: []string{"a", "elsewhere", "b"}, Cells: []study.Cell{summary("latency.write.p50", checkers.Nanos, true, exact(1e6, 1.1e6, 1.2e6, 1.2e6, 1.3e6, 1.5e6)...), summary("writes.lost", checkers.Number, false, exact(0)...), {}}},
				{Settings: set("2", "async"), Runs: 6, Cells: []study.Cell{summary("latency.write.p50", checkers.Nanos, false, exact(2e6, 90e6)...), summary("writes.lost", checkers.Number, false, compare.Range{Least: 3, Most: 70}, unknown), {}}},
				{Settings: set("2", hostile), Cells: []study.Cell{{}, {}, {}}, Missing: "no run was made"},
			},
			Decisions: []study.Decision{{Says: "it takes longer", Answer: study.Measured, Words: "1.2ms → 2ms " + hostile}, {Says: "it loses", Answer: study.Machine, Words: "busy"}},
			Runs:      12, Wanted: 18, Notes: []string{"two were left out " + hostile},
		}},
		Except: []study.Except{{Target: "memcached", Why: "nothing replicates " + hostile}},
	}
}

func render(t *testing.T, s *study.Study) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, s, link); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// link leads to all runs but one.
func link(dir string) string {
	if dir == "elsewhere" {
		return ""
	}
	return "x-group/" + dir + "/report.html"
}

// TestPage: the page without the reports' style is its golden file.
func TestPage(t *testing.T) {
	got := regexp.MustCompile(`(?s)<style>.*</style>\n`).ReplaceAllString(render(t, sample()), "")
	got = regexp.MustCompile(`sha256-[^ ;]*?&#39;`).ReplaceAllString(got, "sha256-…&#39;")
	path := filepath.Join("testdata", "study.html")
	if *update {
		if err := errorsOf(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run the test with -update and look at the difference.\ngot:\n%s", path, got)
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestStrict: nothing of the data is markup, nothing is loaded, no script runs.
func TestStrict(t *testing.T) {
	text := render(t, sample())
	for _, bad := range []string{"<script", "http://", "https://", "src=", `href="[^x]`, "url(", "NaN", "Inf", "ZgotmplZ"} {
		if regexp.MustCompile(strings.ReplaceAll(bad, "(", `\(`)).MatchString(text) {
			t.Errorf("the page has %s", bad)
		}
	}
	if !strings.Contains(text, "default-src &#39;none&#39;") || strings.Count(text, "&lt;script&gt;") < 8 {
		t.Error("the page lets something in, or leaves something out")
	}
	for _, want := range []string{"prefers-color-scheme: dark", `role="img"`, "12 of 18 runs", "quick: fewer variants", "the machine is the limit"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	// Each picture has a name and says in words what it shows.
	names := regexp.MustCompile(`aria-labelledby="(\S+) (\S+)"`).FindAllStringSubmatch(text, -1)
	if len(names) != 2 {
		t.Fatalf("%d pictures", len(names))
	}
	for _, n := range names {
		if strings.Count(text, `id="`+n[1]+`"`) != 1 || strings.Count(text, `id="`+n[2]+`"`) != 1 {
			t.Errorf("%v name nothing, or several", n)
		}
	}
}

// TestScale: what is drawn lies inside the picture, greater values higher.
func TestScale(t *testing.T) {
	for _, values := range [][]float64{{0}, {0, 0}, {5}, {1, 2, 1000}, {0, 1000}, {-0.2, 0.1}, {1e-9, 1e-8}, {3e12}} {
		p := &study.Part{Columns: []study.Column{{Fact: "x"}}, Rows: []study.Row{{Cells: []study.Cell{summary("x", checkers.Number, false, exact(values...)...)}}}}
		c, ok := chartOf(p, 0)
		if !ok || len(c.Ticks) < 2 {
			t.Errorf("%v: %+v", values, c)
			continue
		}
		last := math.Inf(1)
		for i, d := range c.Series[0].Points[0].Dots {
			if d.Y < top-0.1 || d.Y > height-bottom+0.1 || i > 0 && values[i] > values[i-1] && d.Y >= last {
				t.Errorf("%v: dots %+v", values, c.Series[0].Points[0].Dots)
			}
			last = d.Y
		}
	}
}
