package report

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

// staleLog is a register that n1 writes every 100 ms from 0 to 10 s while n2
// and n3 are read 50 ms later; from 4 s to 6 s, while n2 is cut off, n2 shows
// what was written at 3.9s.
func staleLog() *history.Log {
	log := &history.Log{
		Meta: history.Meta{Run: "r", Nodes: []string{"n1", "n2", "n3"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: "register"}}},
		Events: []history.Event{
			{At: 0, Kind: history.EventPhase, Detail: "measure"},
			{At: 4 * sec, Planned: 4 * sec, Kind: history.EventFault, Fault: "f1", Name: "partition", Nodes: []string{"n2"}},
			{At: 6 * sec, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n2"}},
			{At: 10 * sec, Kind: history.EventPhase, Detail: "end"},
		},
	}
	add := func(kind history.Kind, at, value int64, process uint32, node int8) {
		log.Ops = append(log.Ops, history.Op{Intended: at, Start: at, End: at + ms, Value: value, Kind: kind, Process: process, Node: node, Outcome: history.OK})
	}
	for i := int64(0); i < 100; i++ {
		at, shown := i*100*ms, i
		if at >= 4*sec && at < 6*sec {
			shown = 39
		}
		add(history.Write, at, i, 1, 0)
		add(history.Read, at+50*ms, shown, 2, 1)
		add(history.Read, at+50*ms, i, 3, 2)
	}
	return log
}

func reported(t *testing.T, log *history.Log) (*results.Verdict, *results.Measured, string) {
	t.Helper()
	m := results.Measure(t.Context(), log, checkers.Limits{}, 0)
	v := results.Judge(results.Input{Log: log, Measured: m, Started: resultstest.Start})
	var b bytes.Buffer
	if err := HTML(&b, v, m); err != nil {
		t.Fatal(err)
	}
	return v, m, b.String()
}

// rowsOf are the cells of the rows of a page's section.
func rowsOf(t *testing.T, page, title string) []string {
	t.Helper()
	_, section, found := strings.Cut(page, "<h2>"+title+"</h2>")
	if !found {
		t.Fatalf("there is no section %q", title)
	}
	section, _, _ = strings.Cut(section, "</section>")
	var rows []string
	for _, row := range strings.Split(section, "<tr")[1:] {
		row = regexp.MustCompile(`<span class="name">[^<]*</span>`).ReplaceAllString(row[strings.Index(row, ">")+1:], "")
		row = regexp.MustCompile(`</t[dh]>`).ReplaceAllString(row, "|")
		row = html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(strings.ReplaceAll(row, "<br>", " "), ""))
		rows = append(rows, strings.Trim(strings.Join(strings.Fields(row), " "), "| "))
	}
	return rows
}

func TestStalenessOfNodesAndPhases(t *testing.T) {
	v, m, page := reported(t, staleLog())
	if m.Series.Width != results.FineWidth || len(m.Series.Stale) != 1 || m.Series.Stale[0].Node != "n2" {
		t.Fatalf("the picture has %+v", m.Series.Stale)
	}
	for i, got := range m.Series.Stale[0].Max {
		at := int64(i) * m.Series.Width
		// The write at 4 s had ended 49 ms before the read at 4.05 s began.
		want := math.NaN()
		if at >= 4*sec && at < 6*sec {
			want = float64((at-4*sec)/ms + 49)
		}
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("at %s it is %v ms, want %v", units.Instant(at), got, want)
		}
	}
	got := rowsOf(t, page, "Staleness of reads")
	want := []string{
		"Replica|Reads|Stale|p50|p99|max|Behind",
		"all|200|20|0ns|1.75s|1.95s|20", "before faults|80|0|0ns|0ns|0ns|0", "during faults|40|20|0ns|1.95s|1.95s|20", "after faults|80|0|0ns|0ns|0ns|0",
		"n2|100|20|0ns|1.85s|1.95s|20", "before faults|40|0|0ns|0ns|0ns|0", "during faults|20|20|949ms|1.95s|1.95s|20", "after faults|40|0|0ns|0ns|0ns|0",
		"n3|100|0|0ns|0ns|0ns|0",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the table is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.Contains(page, "<p>20 of 200 reads returned a value that had certainly been superseded") || !strings.Contains(page, `<div id="staleness"`) {
		t.Error("the page lacks the sum or the picture")
	}
	if total := staleTotal(v); float64(total.P99) != m.ByName()["reads.staleness.p99"].N || float64(total.Versions) != m.ByName()["reads.version_lag.max"].N {
		t.Errorf("the table says %+v, the facts differ", total)
	}
}

func TestNoStaleness(t *testing.T) {
	fresh := staleLog()
	for i := range fresh.Ops {
		if op := &fresh.Ops[i]; op.Kind == history.Read {
			op.Value = op.Intended / (100 * ms)
		}
	}
	torn := *fresh
	torn.Torn = true
	written := *fresh
	written.Ops = fresh.Ops[:1]
	for name, tc := range map[string]struct {
		log  *history.Log
		want string
	}{
		"fresh":       {fresh, "<p>No read was stale, of 200 reads.</p>"},
		"torn":        {&torn, "<p>No read was seen to be stale, of 200 reads in a torn history.</p>"},
		"no reads":    {&written, ""},
		"no register": {&history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Name: "s", Type: "set"}}}}, ""},
	} {
		_, _, page := reported(t, tc.log)
		if strings.Contains(page, `<div id="staleness"`) || strings.Contains(page, "Behind") {
			t.Errorf("%s: there is a picture or a table", name)
		}
		if tc.want == "" && strings.Contains(page, "Staleness of reads") || !strings.Contains(page, tc.want) {
			t.Errorf("%s: the page lacks %q", name, tc.want)
		}
	}
}

// TestStalestNodesAreDrawn gives every node one stale read, that of a later
// node stale for longer, but for the first, the stalest.
func TestStalestNodesAreDrawn(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Workloads: []history.WorkloadMeta{{Name: "register", Type: "register"}}}}
	var stale []checkers.StaleSample
	for i := range results.MaxStaleNodes + 4 {
		log.Meta.Nodes = append(log.Meta.Nodes, fmt.Sprint("n", i+1))
		log.Ops = append(log.Ops, history.Op{Intended: int64(i) * sec, Start: int64(i) * sec, End: int64(i)*sec + ms, Node: int8(i), Outcome: history.OK})
		stale = append(stale, checkers.StaleSample{Staleness: int64(i+1) * ms, Op: int32(i)})
	}
	stale[0].Staleness = sec
	log.Ops[3].Node = -1 // names no node
	s := results.MeasureFound(log, checkers.Result{Stale: stale}).Series
	var nodes []string
	for _, c := range s.Stale {
		nodes = append(nodes, c.Node)
	}
	if got := strings.Join(nodes, " "); got != "n1 n6 n7 n8 n9 n10 n11 n12" {
		t.Errorf("drawn are %s", got)
	}
	if at := int(sec * 11 / s.Width); s.Stale[7].Max[at] != 12 {
		t.Errorf("n12 is stale by %v ms", s.Stale[7].Max[at])
	}
}
