package rundir

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/aftershock-chaos/aftershock/checkers"
	allcheckers "github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/resultstest"
)

// readHlog reads a log with the library's own reader: counts by tag, and the
// start of each interval. The histograms without a tag have to be those with one
// together, but for what begins where another tag does.
func readHlog(t *testing.T, text []byte) (counts map[string]int64, histograms []*hdrhistogram.Histogram) {
	t.Helper()
	counts = map[string]int64{}
	reader := hdrhistogram.NewHistogramLogReader(bytes.NewReader(text))
	total, tagged := int64(0), int64(0)
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		if h.Tag() == "" {
			total += h.TotalCount()
			continue
		}
		counts[h.Tag()] += h.TotalCount()
		histograms = append(histograms, h)
		if !strings.HasPrefix(h.Tag(), "write-to-visible/") {
			tagged += h.TotalCount()
		}
	}
	if total != tagged {
		t.Errorf("%d values have a tag, %d are in the histograms without one", tagged, total)
	}
	return counts, histograms
}

func TestLatencyLogRoundTrip(t *testing.T) {
	log := resultstest.Log()
	started := resultstest.Start.Add(345 * time.Millisecond)
	var b bytes.Buffer
	if err := WriteLatencyLog(&b, log, started); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	tl := kit.NewTimeline(log)
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Outcome == history.OK {
			want[op.Kind.String()+"/"+string(tl.Phase(op))+"/"+log.Meta.Nodes[op.Node]]++
		}
	}
	got, histograms := readHlog(t, b.Bytes())
	if len(got) != len(want) || len(want) < 7 {
		t.Fatalf("tags are %v, want %v", got, want)
	}
	for tag, n := range want {
		if got[tag] != n {
			t.Errorf("%s has %d values, want %d", tag, got[tag], n)
		}
	}
	for i, h := range histograms {
		off := h.StartTimeMs() - started.UnixMilli()
		if r := (off + 500) % 1000; r < 498 || r > 502 || off < -2 || off > 10002 || h.EndTimeMs()-h.StartTimeMs() > 1001 {
			t.Errorf("interval %d starts %d ms after the run and lasts %d ms", i, off, h.EndTimeMs()-h.StartTimeMs())
		}
		if i > 0 && h.StartTimeMs() < histograms[i-1].StartTimeMs() {
			t.Errorf("interval %d is out of order", i)
		}
		if h.Tag() == "write/during/n2" && (h.Max() < 1*ms || h.Max() > 802*ms) {
			t.Errorf("a write took %d ns", h.Max())
		}
	}
}

func TestLagLogRoundTrip(t *testing.T) {
	log := resultstest.Log()
	var b bytes.Buffer
	samples := []lag.LagSample{
		{Node: 1, At: 2 * sec, AckToVisible: 5 * ms, StartToVisible: 7 * ms},
		{Node: 1, At: 2*sec + ms, AckToVisible: 6 * ms, StartToVisible: 8 * ms},
		{Node: 2, At: 4 * sec, AckToVisible: 900 * ms, StartToVisible: 1000 * ms},
		{Node: 99, At: -5, AckToVisible: -1, StartToVisible: 1 << 62},
	}
	if err := writeLagLog(&b, log, samples, resultstest.Start); err != nil {
		t.Fatal(err)
	}
	got, _ := readHlog(t, b.Bytes())
	for tag, n := range map[string]int64{
		"ack-to-visible/before/n2": 2, "write-to-visible/before/n2": 2,
		"ack-to-visible/during/n3": 1, "write-to-visible/during/n3": 1,
		"ack-to-visible/warmup/none": 1, "write-to-visible/warmup/none": 1,
	} {
		if got[tag] != n {
			t.Errorf("%s has %d values, want %d", tag, got[tag], n)
		}
	}
	if len(got) != 6 {
		t.Errorf("tags are %v", got)
	}
}

func TestStalenessLogRoundTrip(t *testing.T) {
	op := func(kind history.Kind, value, start, end int64, node int8) history.Op {
		return history.Op{Kind: kind, Value: value, Intended: start * ms, Start: start * ms, End: end * ms, Node: node, Outcome: history.OK}
	}
	log := &history.Log{
		Meta: history.Meta{Nodes: []string{"n1", "n2"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: "register"}}},
		Ops: []history.Op{op(history.Write, 1, 0, 10, 0), op(history.Write, 2, 20, 30, 0), op(history.Read, 2, 40, 50, 0),
			op(history.Read, 1, 130, 140, 1), op(history.Read, 1, 1230, 1240, 1)},
	}
	var b, versions bytes.Buffer
	if err := WriteStalenessLogs(&b, &versions, log, allcheckers.Run(t.Context(), log, checkers.Limits{}).Stale, resultstest.Start); err != nil {
		t.Fatal(err)
	}
	got, histograms := readHlog(t, b.Bytes())
	if len(got) != 2 || got["staleness/before/n1"] != 1 || got["staleness/before/n2"] != 2 || len(histograms) != 3 {
		t.Fatalf("the log holds %v", got)
	}
	for i, want := range []int64{0, 100 * ms, 1200 * ms} {
		if got := histograms[i].Max(); got < want-want/500-1000 || got > want+want/500+1024 {
			t.Errorf("interval %d: staleness is %d, want %d", i, got, want)
		}
	}
	got, histograms = readHlog(t, versions.Bytes())
	if len(got) != 2 || got["versions/before/n1"] != 1 || got["versions/before/n2"] != 2 || len(histograms) != 3 {
		t.Fatalf("the log of versions holds %v", got)
	}
	for i, want := range []int64{0, 1, 1} {
		if got := histograms[i].Max(); got != want {
			t.Errorf("interval %d: %d versions behind, want %d", i, got, want)
		}
	}
}

func TestHlogOfHostileHistory(t *testing.T) {
	log := &history.Log{Meta: history.Meta{Nodes: []string{"a, b\nc"}}, Ops: []history.Op{
		{Intended: -1 << 63, Start: 1 << 62, End: 1<<63 - 1, Outcome: history.OK},
		{Intended: 5, Start: 3, End: -1 << 63, Outcome: history.OK, Node: -128},
	}}
	var b bytes.Buffer
	if err := WriteLatencyLog(&b, log, resultstest.Start); err != nil {
		t.Fatal(err)
	}
	if got, _ := readHlog(t, b.Bytes()); len(got) != 2 {
		t.Errorf("tags are %v", got)
	}
}

func TestHlogOfNothing(t *testing.T) {
	var b bytes.Buffer
	if err := WriteLagLog(&b, &history.Log{}, resultstest.Start); err != nil {
		t.Fatal(err)
	}
	if got, _ := readHlog(t, b.Bytes()); len(got) != 0 || !strings.Contains(b.String(), "StartTime") {
		t.Errorf("tags are %v in %q", got, b.String())
	}
}

// TestPercentiles: what the log of a run tells by its tags, and as a whole.
func TestPercentiles(t *testing.T) {
	dir, err := Create(t.TempDir(), "p", 1, resultstest.Start, "ABCDEFGH")
	if err != nil {
		t.Fatal(err)
	}
	log := &history.Log{Meta: history.Meta{Nodes: []string{"n1"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: "register"}}}}
	for i := int64(1); i <= 1000; i++ {
		kind := history.Read
		if i%2 == 0 {
			kind = history.Write
		}
		log.Ops = append(log.Ops, history.Op{Intended: i * ms, Start: i * ms, End: i*ms + i*1000, Kind: kind, Outcome: history.OK})
	}
	if _, err := dir.Percentiles("latency"); err == nil || !strings.Contains(err.Error(), "measured no latency") {
		t.Errorf("a log that is not there: %v", err)
	}
	if err := dir.Write(LatencyFile, func(w io.Writer) error { return WriteLatencyLog(w, log, resultstest.Start) }); err != nil {
		t.Fatal(err)
	}
	list, err := dir.Percentiles("latency")
	if err != nil || len(list) != 3 || list[0].Tag != "" || list[0].Count != 1000 || list[1].Count != 500 {
		t.Fatalf("%v %+v", err, list)
	}
	for _, p := range list[0].Percentiles {
		want := p.Percentile / 100 * 1e6
		if got := float64(p.Value); got < want*0.99-2000 || got > want*1.01+3000 {
			t.Errorf("the %v. percentile is %v, want %v", p.Percentile, got, want)
		}
	}
	var table, data bytes.Buffer
	if err := WritePercentilesCSV(&table, "latency", list); err != nil || !strings.HasPrefix(table.String(), "histogram,tag,percentile,value_ns,count,total\nlatency,,0,") {
		t.Errorf("%v %.200s", err, &table)
	}
	if err := WritePercentilesJSON(&data, "latency", list); err != nil || !json.Valid(data.Bytes()) || !strings.Contains(data.String(), `"unit": "ns"`) {
		t.Errorf("%v %.200s", err, &data)
	}
}
