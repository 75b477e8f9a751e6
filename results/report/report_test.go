package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

func TestGolden(t *testing.T) {
	v := sampleVerdict(t)
	// The golden files must not depend on the tables of checkers that did not run.
	for i := range v.Values {
		if name := v.Values[i].Name; !strings.HasPrefix(name, "latency.") && !strings.HasPrefix(name, "faults.") && !strings.HasPrefix(name, "service.") && name != "ops.late.p99" && name != "ops.rate" {
			v.Values[i].Unit = checkers.Number
		}
	}
	held := sampleInput()
	held.Plan.Name, held.Claims = "calm", held.Claims[1:2]
	holding := results.Judge(held)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"report.txt":  func(b *bytes.Buffer) error { return Text(b, v, TextOptions{}) },
		"narrow.txt":  func(b *bytes.Buffer) error { return Text(b, v, TextOptions{Width: 60}) },
		"color.txt":   func(b *bytes.Buffer) error { return Text(b, v, TextOptions{Color: true}) },
		"report.json": func(b *bytes.Buffer) error { return JSON(b, v) },
		"report.xml":  func(b *bytes.Buffer) error { return JUnit(b, v) },
		"github.md":   func(b *bytes.Buffer) error { return GitHub(b, holding, v) },
		"github.txt":  func(b *bytes.Buffer) error { return GitHubAnnotations(b, holding, v) },
		"gitlab.json": func(b *bytes.Buffer) error { return GitLab(b, holding, v) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
		})
	}
}

// crowded is a verdict in which every part of a report is over-full.
func crowded(t *testing.T) *results.Verdict {
	v := sampleVerdict(t)
	v.Notes = []string{"one", "two", "three"}
	v.Isolation.Why = strings.Repeat("it is not known ", 20)
	for i := range 30 {
		v.Claims = append(v.Claims, results.ClaimResult{Claim: fmt.Sprintf("lag.p99 < %dms", i), Answer: results.Holds, Detail: strings.Repeat("long ", 60)})
		v.Gates = append(v.Gates, results.Gate{Name: fmt.Sprint("fault ", i), Detail: "it was never put into effect"})
		v.Faults = append(v.Faults, results.Fault{ID: fmt.Sprint("f", i), Name: "kill", Executed: i%2 == 0})
		v.Latency = append(v.Latency, checkers.LatencyRow{Kind: fmt.Sprint("kind", i), Count: 1})
		v.Lag = append(v.Lag, results.LagRow{Node: fmt.Sprint("n", i)})
		v.Findings = append(v.Findings, results.Finding{Class: checkers.NotLinear, Text: strings.Repeat("many words ", 50)})
	}
	return v
}

func TestTextFitsOneScreen(t *testing.T) {
	for _, width := range []int{0, 1, 40, 80, 200} {
		var b bytes.Buffer
		if err := Text(&b, crowded(t), TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) > maxTextLines {
			t.Errorf("width %d: %d lines, want at most %d:\n%s", width, len(lines), maxTextLines, b.String())
		}
		limit := max(width, 40)
		if width == 0 {
			limit = 100
		}
		for _, line := range lines[:len(lines)-1] { // the last is the path
			if n := utf8.RuneCountInString(line); n > limit {
				t.Errorf("width %d: a line has %d columns: %q", width, n, line)
			}
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Error("colour although none was wanted")
		}
	}
}

const hostile = "<script>alert(1)</script>&\"'\x1b[31m\x00\u202e]]>\r\n{{.}}"

// hostileVerdict has hostile text wherever a name or a message can come from.
func hostileVerdict(t *testing.T) *results.Verdict {
	in := sampleInput()
	in.Plan = results.PlanInfo{File: hostile, Name: hostile, About: hostile, Host: hostile, Target: hostile, YAML: hostile, Varied: []results.Setting{{Path: hostile, Value: hostile}}}
	in.Claims, in.Dir, in.Notes = []string{hostile}, hostile, []string{hostile}
	in.Planned[0].Kind, in.Planned[0].What = hostile, hostile
	in.Log.Meta.Nodes, in.Log.Meta.Run = []string{hostile, hostile, hostile}, hostile
	found := resultstest.Found()
	found.Findings[0].Text, found.Findings[0].Workload, found.Findings[0].Class = hostile, hostile, hostile
	cycle := found.Findings[2].Cycle
	cycle[0].Name, cycle[0].Why, cycle[0].Edge = hostile, hostile, hostile
	found.Findings[3].Text, found.Staleness[4].Node, found.Isolation.Level, found.Isolation.Why = hostile, hostile, hostile, hostile
	found.Values = append(found.Values, checkers.Value{Name: hostile, Why: hostile})
	for i := range in.Log.Events {
		e := &in.Log.Events[i]
		e.Name, e.Nodes = hostile, []string{hostile}
		if e.Kind != "phase" {
			e.Detail = hostile
		}
	}
	in.Measured = results.MeasureFound(in.Log, found)
	v := results.Judge(in)
	v.Claims = append(v.Claims, results.ClaimResult{Claim: hostile, Answer: results.Violated, Detail: hostile})
	return v
}

func TestHostileNamesInText(t *testing.T) {
	var b bytes.Buffer
	v := hostileVerdict(t)
	if err := Text(&b, v, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := Table(&b, []*results.Verdict{v}, hostile); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if r < 0x20 && r != '\n' || r == 0x202e {
			t.Fatalf("control character %U in the text:\n%q", r, b.String())
		}
	}
	if n := strings.Count(b.String(), "\n"); n > maxTextLines+2 {
		t.Errorf("%d lines: a name broke one", n)
	}
}

// suites is JUnit as its readers understand it.
type suites struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Suites   []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnitCountsAndEscapes(t *testing.T) {
	var b bytes.Buffer
	v := hostileVerdict(t)
	if err := JUnit(&b, v, sampleVerdict(t)); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(b.Bytes()) || bytes.ContainsAny(b.Bytes(), "\x00\x1b") {
		t.Error("characters that XML does not allow")
	}
	var got suites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	tests, failures, failed := 0, 0, 0
	for _, s := range got.Suites {
		for _, c := range s.Cases {
			tests++
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				failed++
			}
		}
	}
	if tests != got.Tests || failures != got.Failures || failed != got.Errors || len(got.Suites) != 2 {
		t.Errorf("counts say %d/%d/%d, there are %d/%d/%d in %d suites", got.Tests, got.Failures, got.Errors, tests, failures, failed, len(got.Suites))
	}
	// hostile: 2 claims, 3+2 gates; sample: 3 claims, 3+2 gates.
	if tests != 15 || failures != 2 {
		t.Errorf("%d tests, %d failures; want 15 and 2", tests, failures)
	}
}

func TestJSONReadsBack(t *testing.T) {
	var b bytes.Buffer
	v := sampleVerdict(t)
	if err := JSON(&b, v, hostileVerdict(t)); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Verdict != results.Violated || len(got.Runs) != 2 || !reflect.DeepEqual(got.Runs[0].Claims[0], v.Claims[0]) {
		t.Errorf("read back %+v", got)
	}
	if len(got.Runs[0].Values) != len(v.Values) || got.Runs[0].Values[0] != v.Values[0] {
		t.Error("the facts did not survive")
	}
}

func TestExamplesTakeOneOfEachClassFirst(t *testing.T) {
	of := func(c ...checkers.Class) (f []results.Finding) {
		for i, class := range c {
			f = append(f, results.Finding{Class: class, Key: uint32(i)})
		}
		return f
	}
	got := examples(of(checkers.StaleRead, checkers.StaleRead, checkers.LostWrite, checkers.LostWrite, checkers.LostWrite), 3)
	keys := []uint32{}
	for _, f := range got {
		keys = append(keys, f.Key)
	}
	if !slices.Equal(keys, []uint32{2, 0, 3}) {
		t.Errorf("chose %v, want the first lost, the first stale, the second lost", keys)
	}
}

func TestTable(t *testing.T) {
	a, b := sampleVerdict(t), sampleVerdict(t)
	a.Plan.Varied = []results.Setting{{Path: "target.replicas", Value: "1"}}
	b.Plan.Varied = []results.Setting{{Path: "target.replicas", Value: "10"}}
	b.Verdict, b.Values = results.Holds, []results.FactValue{{Value: known("writes.lost", 0)}}
	var out bytes.Buffer
	if err := Table(&out, []*results.Verdict{a, b}, "target.replicas"); err != nil {
		t.Fatal(err)
	}
	wantRows(t, out.String(), [][]string{
		{"target.replicas", "verdict", "lost", "staleness", "p99", "lag", "p99", "failover", "max", "write", "p99", "ops/s"},
		{"1", "violated", "17"},
		{"10", "holds", "0", "-", "-", "-", "-", "-"},
	})
	own := out.String()
	out.Reset()
	if err := Table(&out, []*results.Verdict{a, b}); err != nil || out.String() != own {
		t.Errorf("the verdicts' own paths give %v:\n%s", err, out.String())
	}
	b.Plan.Name = "other"
	out.Reset()
	if err := Table(&out, []*results.Verdict{a, b}); err != nil {
		t.Fatal(err)
	}
	wantRows(t, out.String(), [][]string{{"plan", "target.replicas"}, {"postgres-async", "1"}, {"other", "10"}})
}

// wantRows compares the words at the beginning of each line.
func wantRows(t *testing.T, got string, want [][]string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines:\n%s", len(lines), got)
	}
	for i, words := range want {
		if fields := strings.Fields(lines[i]); len(fields) < len(words) || !slices.Equal(fields[:len(words)], words) {
			t.Errorf("line %d is %q, want %q", i, fields, words)
		}
	}
}

type fullDisk struct{}

var errFull = errors.New("full")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestReportsTellOfWriteErrors(t *testing.T) {
	v := sampleVerdict(t)
	for name, err := range map[string]error{
		"latency": rundir.WriteLatencyLog(fullDisk{}, resultstest.Log(), resultstest.Start),
		"text":    Text(fullDisk{}, v, TextOptions{}),
		"json":    JSON(fullDisk{}, v),
		"junit":   JUnit(fullDisk{}, v),
		"github":  errors.Join(GitHub(fullDisk{}, v), GitHubAnnotations(fullDisk{}, v)),
		"gitlab":  GitLab(fullDisk{}, v),
		"table":   Table(fullDisk{}, []*results.Verdict{v}),
	} {
		if !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFaultWithoutVictim: the kind is told once.
func TestFaultWithoutVictim(t *testing.T) {
	f := results.Fault{ID: "f1", Name: "kill", What: "kill primary", Error: "no victim"}
	if got, want := faultLine(&f), "kill primary: not executed: no victim"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
