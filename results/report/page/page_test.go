package page

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGoldenData: what the sample run's pictures are drawn from.
func TestGoldenData(t *testing.T) {
	in := sample()
	d := dataOf(&in, classesOf(&in, -1))
	d.Levels = d.Levels[:1] // the finer ones are as the coarsest, see TestLevelsAgree
	got, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "sample.json")
	text := regexp.MustCompile(`,\n\s+(-?[0-9"n])`).ReplaceAllString(string(got), ",$1") + "\n" // a column is one line
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

func TestFromDiskIsTheSame(t *testing.T) {
	log := resultstest.LaggingLog()
	m := results.MeasureFound(log, checkers.Result{})
	v := results.Judge(results.Input{Log: log, Measured: m})
	data := func(log *history.Log) string {
		in := Input{Verdict: v, Measured: m, Log: log}
		d := dataOf(&in, nil)
		for _, l := range d.Levels {
			l.Seen = nil // of a log on disk the markers were not kept here
		}
		d.Spreads, d.Lanes = nil, nil
		return resultstest.AsJSON(t, d)
	}
	want := data(log)
	if got := data(resultstest.OnDisk(t, log)); got != want {
		t.Errorf("the data of a log on disk is\n%s\nwant\n%s", got, want)
	}
}

func TestPageShowsEverything(t *testing.T) {
	page := html(t, sample())
	for _, want := range []string{
		"17 acknowledged writes vanished", "the replica was at most", "1 of 3 claims violated", "aftershock run --replay runs/20260314T150926-postgres-async-7",
		"reads.staleness.p99 &lt; 1s", "isolate replica", "&#43;1.2ms", "-300µs", "412 packets dropped", "name: postgres-async",
		"no write was acknowledged after f1", "f1 kill n1", "prefers-color-scheme", "20 of 1800 reads returned a value that had certainly been superseded",
		"✗ read your writes", "although it had written the newer 4711", "? writes follow reads", "it was not looked for",
		"At most snapshot isolation, not serializable: write skew (G2-item), the first at 2.003s.",
		"<b>rw</b> T1 read list 2 without 8, which T0 appended, where the cycle closes", "read 2 = [], append 9 to 1",
		`id="e-lost-write-1"`, "17 lost writes", "and 16 more", "Needed: every read after the acknowledgement", "f1: n1 was killed at 3.0 s, until 5.0 s",
		"LOG: shutting down", "at once", "lost the master", "Told by the system", "pg_stat_replication.replay_lag", `class="differ"`, `<b class="value">nil</b>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, wrong := range []string{"much later", "checkpoint", "LOG: starting"} {
		if strings.Contains(page, wrong) {
			t.Errorf("the page has %q", wrong)
		}
	}
	if n := strings.Count(page, `<ol class="cycle">`); n != 1 {
		t.Errorf("%d cycles are drawn, want 1", n)
	}
	if n := strings.Count(page, `<article class="finding"`); n != 4 {
		t.Errorf("%d findings are shown of 4", n)
	}
	if path := os.Getenv("AFTERSHOCK_SAMPLE_HTML"); path != "" {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const hostile = "<script>alert(1)</script>&\"'\x1b[31m\x00\u202e]]></style><img src=x onerror=alert(1)>\r\n{{.}}"

// hostileInput has hostile text wherever a name, a value or a line can come from.
func hostileInput() Input {
	in := sample()
	in.Log.Meta.Nodes, in.Log.Meta.Run = []string{hostile, hostile + "2", hostile + "3"}, hostile
	for i := range in.Log.Events {
		e := &in.Log.Events[i]
		e.Name, e.Nodes, e.Node = hostile, []string{hostile}, hostile
		if e.Kind != history.EventPhase && e.Kind != history.EventRole {
			e.Detail = hostile
		}
	}
	found := resultstest.Found()
	for i := range found.Findings {
		found.Findings[i].Text, found.Findings[i].Workload = hostile, hostile
	}
	found.Findings[0].Class = hostile
	cycle := found.Findings[2].Cycle
	cycle[0].Name, cycle[0].Why, cycle[0].Edge = hostile, hostile, hostile
	found.Staleness[4].Node, found.Isolation.Level, found.Isolation.Why = hostile, hostile, hostile
	found.Values = append(found.Values, checkers.Value{Name: hostile, Why: hostile})
	in.Measured = results.MeasureFound(in.Log, found)
	in.Verdict = results.Judge(results.Input{
		Plan:   results.PlanInfo{Name: hostile, About: hostile, Host: hostile, Target: hostile, YAML: hostile, Image: hostile, Varied: []results.Setting{{Path: hostile, Value: hostile}}},
		Claims: []string{hostile}, Dir: hostile, Notes: []string{hostile}, Log: in.Log, Measured: in.Measured, Started: resultstest.Start,
		Machine: &results.Machine{CPU: hostile, Server: hostile},
	})
	for i := range in.Verdict.Findings {
		for k := range in.Verdict.Findings[i].Evidence {
			e := &in.Verdict.Findings[i].Evidence[k]
			e.Shown, e.Client, e.KeyName, e.Error, e.Txn = hostile, hostile, hostile, hostile, hostile
		}
	}
	in.Logs = map[string][]byte{hostile: []byte("2026-03-14 15:09:29.001 " + hostile + "\n")}
	in.Drawing = func(int) (string, bool) { return "javascript:alert(1)//" + hostile, true }
	return in
}

func TestHostileStringsScriptNothing(t *testing.T) {
	written := html(t, hostileInput())
	if path := os.Getenv("AFTERSHOCK_HOSTILE_HTML"); path != "" {
		if err := os.WriteFile(path, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(written)
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img") || strings.Contains(page, `href="javascript`) {
		t.Error("a string became markup")
	}
	if n := strings.Count(page, "<script"); n != 3 {
		t.Errorf("%d scripts, want the data, the charts and our own", n)
	}
	if n := strings.Count(page, "<style"); n != 2 {
		t.Errorf("%d styles, want 2", n)
	}
	for _, outside := range []string{`<[^>]*\ssrc=`, "@import", `url\(`, `<[^>]*\sstyle=`, `<[^>]*\son[a-z]+=`, `http-equiv="refresh`, "unsafe-inline"} {
		if found := regexp.MustCompile(outside).FindString(page); found != "" {
			t.Errorf("the page has %s", found)
		}
	}
	for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(link[1], "#") {
			t.Errorf("it links to %s", link[1])
		}
	}
	if !strings.Contains(page, "default-src 'none'; style-src 'sha256-") {
		t.Error("the policy allows more than the page's own scripts and styles")
	}
}

func TestPageWithoutPictures(t *testing.T) {
	page := html(t, Input{Verdict: &results.Verdict{Verdict: results.Unproven}})
	if strings.Contains(page, "<script") || strings.Contains(page, "uPlot") || !strings.Contains(page, "script-src &#39;none&#39;") {
		t.Error("there are scripts without anything to draw")
	}
	doubted := sample()
	doubted.Log.Doubts.Times = "its times contradict the order of its lines"
	if strings.Contains(html(t, doubted), "<script") {
		t.Error("times that measure nothing are drawn")
	}
}

var errFull = errors.New("full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestPageTellsOfWriteErrors(t *testing.T) {
	if err := HTML(fullDisk{}, sample()); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

// TestMillionOperationsAreSmall: as much as a report ever shows is less than 3 MB.
func TestMillionOperationsAreSmall(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	page := html(t, million(n))
	t.Logf("%d operations make a page of %d bytes", n, len(page))
	if len(page) >= 3<<20 {
		t.Errorf("%d bytes", len(page))
	}
}

func BenchmarkMillionOperations(b *testing.B) {
	in := million(1_000_000)
	for b.Loop() {
		html(b, in)
	}
}

// TestSetsTellTheirSizes: an answer without the element in question is not shown as [].
func TestSetsTellTheirSizes(t *testing.T) {
	in := sample()
	value := int64(1)<<40 + 2
	f := &in.Verdict.Findings[1]
	f.Class, f.Evidence = checkers.LostElement, []results.Evidence{
		{What: "add", Value: &value, Outcome: "ok", Number: 1, End: sec},
		{What: "readset", Size: 5240, Without: results.Elements{value}, Shown: fmt.Sprintf("5240 elements, without %d", value), Outcome: "ok", Start: 2 * sec, End: 2 * sec},
		{What: "readset", Size: 1, Elements: results.Elements{1}, Outcome: "ok", Start: 2 * sec, End: 2 * sec},
		{What: "readset", Outcome: "ok", Start: 2 * sec, End: 2 * sec}}
	page := html(t, in)
	for _, want := range []string{`5240 elements, without <b class="value">client 1, write 2</b>`, `1 element: <b class="value">1</b>`, "no elements"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
