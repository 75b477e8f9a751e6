package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
)

func summary(t *testing.T, v *results.Verdict) string {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, v, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func guaranteeRows(v *results.Verdict) []string {
	var rows []string
	for _, g := range RowsOf(v).Guarantees {
		rows = append(rows, strings.TrimSuffix(fmt.Sprintf("%s %s|%d|%s|%s", Mark(g.Answer()), g.Name, g.Reads, g.Times(), g.Told()), "|"))
	}
	return rows
}

func TestSessionGuarantees(t *testing.T) {
	log := staleLog()
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Node == 1 {
			op.Process = 1 // the writer reads its own writes, from n2
		}
	}
	v := reported(t, log)
	got := guaranteeRows(v)
	want := []string{
		"✗ read your writes|200|20|process 1 read 39 from key 0 at n2 at 4.051s, although it had written the newer 40 at n1 at 4.001s, while f1 (partition of n2) was in force",
		"✓ monotonic reads|200|0", "✓ monotonic writes|200|0", "✓ writes follow reads|200|0",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the table is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestReadsWithoutNodes are those of histories from elsewhere.
func TestReadsWithoutNodes(t *testing.T) {
	log := staleLog()
	for i := range log.Ops {
		log.Ops[i].Node = -1
	}
	v := reported(t, log)
	got := guaranteeRows(v)
	if len(got) != 4 || got[1] != "✓ monotonic reads|200|0" || got[2] != "? monotonic writes|0|unknown|no read names the node that answered it" {
		t.Errorf("the table is\n%s", strings.Join(got, "\n"))
	}
	text := summary(t, v)
	if !strings.Contains(text, "? monotonic writes         0  unknown\n") {
		t.Errorf("the text is\n%s", text)
	}
}

func TestKeptGuaranteesTakeOneLineOfText(t *testing.T) {
	log := staleLog()
	v := reported(t, log)
	text := summary(t, v)
	if !strings.Contains(text, "  ✓ every session guarantee kept in 200 reads\n") || strings.Contains(text, "monotonic") {
		t.Errorf("the text is\n%s", text)
	}
}

func TestTimesOfSets(t *testing.T) {
	op := func(kind history.Kind, at int64, node int8, value int64, elements ...int64) history.Op {
		return history.Op{Kind: kind, Intended: at, Start: at, End: at + ms, Node: node, Value: value, Elements: elements, Outcome: history.OK}
	}
	log := &history.Log{
		Meta: history.Meta{Nodes: []string{"n1", "n2"}, Workloads: []history.WorkloadMeta{{Name: "set", Type: "set"}}},
		Ops: []history.Op{
			op(history.Add, 0, 0, 7), op(history.Add, 10*ms, 0, 8),
			op(history.ReadSet, 20*ms, 1, 0, 7, 8), op(history.ReadSet, 121*ms, 1, 0, 8), op(history.ReadSet, 200*ms, 1, 0, 7, 8),
		},
	}
	v := reported(t, log)
	rows := RowsOf(v)
	got := fmt.Sprint(rows.SetTimes[0].Name, " ", rows.SetTimes[0].P50, " ", rows.SetTimes[0].P99, " ", rows.SetTimes[0].Max, ", ",
		rows.SetNodes[1].Node, " ", rows.SetNodes[1].Stale, " ", rows.SetNodes[1].Flapping)
	if want := "set stable 0ns 120ms 120ms, n2 1 1"; got != want || len(rows.SetTimes) != 1 || len(rows.SetNodes) != 2 {
		t.Errorf("the rows are\n%s\nwant\n%s", got, want)
	}
	text := summary(t, v)
	if !strings.Contains(text, "  set stable         0ns  120ms         120ms\n") {
		t.Errorf("the text is\n%s", text)
	}
}

func TestIsolationInWords(t *testing.T) {
	of := func(class checkers.Class, n int, not string) checkers.ClassCount {
		return checkers.ClassCount{Class: class, N: n, Not: not}
	}
	found := []results.Finding{
		{Class: checkers.LostUpdate, At: 5 * sec, Evidence: make([]results.Evidence, 2)}, {Class: checkers.LostUpdate, At: 3 * sec, Evidence: make([]results.Evidence, 2)},
		{Class: checkers.GSingle, At: 4 * sec, Evidence: make([]results.Evidence, 3)}, {Class: checkers.G2 + "-realtime", At: sec, Evidence: make([]results.Evidence, 1)},
	}
	for want, i := range map[string]*checkers.Isolation{
		"": {},
		"Nothing rules out strict serializable, of 300 transactions.":              {Level: "strict serializable", Txns: 300},
		"At most strict serializable; whether it is that is unknown: it was torn.": {Level: "strict serializable", Why: "it was torn", Txns: 1},
		"At most read committed, not snapshot isolation: 12 lost updates and read skew (G-single), the first at 3.000s.": {
			Level: "read committed", Not: "snapshot isolation", Txns: 1,
			Anomalies: []checkers.ClassCount{of(checkers.LostUpdate, 12, "snapshot isolation"), of(checkers.GSingle, 1, "snapshot isolation"), of(checkers.G2, 1, "serializable")},
		},
		"At most serializable, not strict serializable: write skew against real time (G2-item-realtime), the first at 1.000s; whether it is serializable is unknown: cut short.": {
			Level: "serializable", Not: "strict serializable", Why: "cut short", Txns: 1, Anomalies: []checkers.ClassCount{of(checkers.G2+"-realtime", 1, "strict serializable")},
		},
		"Not even read uncommitted: 1 list in two orders.": {
			Not: "read uncommitted", Txns: 1, Anomalies: []checkers.ClassCount{of(checkers.IncompatibleOrder, 1, "read uncommitted")},
		},
	} {
		if got := isolationWords(&results.Verdict{Isolation: i, Findings: found}); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := decisive(&results.Verdict{Findings: found, Isolation: &checkers.Isolation{Not: "snapshot isolation",
		Anomalies: []checkers.ClassCount{of(checkers.GSingle, 1, "snapshot isolation"), of(checkers.LostUpdate, 2, "snapshot isolation")}}}); got != 0 {
		t.Errorf("finding %d is drawn, want the first lost update", got)
	}
}

// TestEveryAnomalyHasAName wants a usual name for each class that rules a level
// out.
func TestEveryAnomalyHasAName(t *testing.T) {
	v := &results.Verdict{}
	for class := range anomalyNames {
		row := anomalyRowOf(v, checkers.ClassCount{Class: class, N: 2})
		cycle := strings.Contains(row.Name, "("+string(class)+")")
		if cycle != (row.Count == "at least 1") || !cycle && !strings.HasPrefix(row.Words, "2 ") {
			t.Errorf("%s is told as %+v", class, row)
		}
	}
}
