package metrics

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = int64(time.Millisecond)

func sampleOps() []history.Op {
	op := func(kind history.Kind, outcome history.Outcome, node int8, took int64) history.Op {
		return history.Op{Kind: kind, Outcome: outcome, Node: node, Intended: 5 * ms, Start: 6 * ms, End: 5*ms + took}
	}
	mark := func(value, at int64) history.Op {
		return history.Op{Kind: history.Mark, Outcome: history.OK, Workload: 1, Value: value, End: at}
	}
	poll := func(value, at int64, node int8) history.Op {
		return history.Op{Kind: history.Poll, Outcome: history.OK, Workload: 1, Value: value, End: at, Node: node}
	}
	return []history.Op{
		op(history.Write, history.OK, 0, ms), op(history.Write, history.OK, 0, 3*ms), op(history.Write, history.OK, 0, 40*ms), op(history.Write, history.Fail, 0, ms),
		op(history.Write, history.Unknown, -1, ms), op(history.Read, history.OK, 1, 2*ms),
		mark(1, 100*ms), mark(2, 200*ms), mark(3, 300*ms), poll(3, 310*ms, 1), poll(1, 350*ms, 2),
		{Kind: history.Read, Outcome: history.OK, Flags: history.FinalRead, End: ms},
	}
}

// get reads the metrics in a format, as Prometheus would.
func get(t *testing.T, s *Server, accept string) (families map[string]*dto.MetricFamily, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	request.Close = true
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	families = map[string]*dto.MetricFamily{}
	var read strings.Builder
	decoder := expfmt.NewDecoder(io.TeeReader(answer.Body, &read), expfmt.ResponseFormat(answer.Header))
	for {
		var f dto.MetricFamily
		if err := decoder.Decode(&f); errors.Is(err, io.EOF) {
			return families, read.String()
		} else if err != nil {
			t.Fatalf("%v in %s", err, read.String())
		}
		families[f.GetName()] = &f
	}
}

// TestFormats: the text has classic buckets, protobuf native ones as well; both
// count every operation once.
func TestFormats(t *testing.T) {
	tally := NewTally("p", []string{"n1", "n2", "n3"})
	tally.Add(sampleOps())
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if families, _ := get(t, s, "text/plain"); len(families) != 0 {
		t.Errorf("before the first run there are %v", families)
	}
	s.Show(Moment{Snapshot: tally.Snapshot(), Phase: "measure", Faults: []string{"f1 kill"}, Roles: []Role{{"n1", "primary"}, {"n2", ""}}})
	_, text := get(t, s, "text/plain")
	for _, want := range []string{
		`aftershock_operations_total{kind="write",node="n1",outcome="ok",plan="p"} 3`, `aftershock_operations_total{kind="write",node="",outcome="unknown",plan="p"} 1`,
		`aftershock_operation_latency_seconds_bucket{kind="write",plan="p",le="0.0009765625"} 0`, `aftershock_operation_latency_seconds_bucket{kind="write",plan="p",le="0.00390625"} 2`,
		`aftershock_operation_latency_seconds_bucket{kind="write",plan="p",le="+Inf"} 3`, `aftershock_operation_latency_seconds_count{kind="write",plan="p"} 3`,
		`aftershock_operation_latency_seconds_sum{kind="write",plan="p"} 0.044`,
		`aftershock_replication_lag_seconds{node="n2",plan="p"} 0`, `aftershock_replication_lag_seconds{node="n3",plan="p"} 0.15`,
		`aftershock_node_role{node="n1",plan="p",role="primary"} 1`, `aftershock_node_role{node="n2",plan="p",role="none"} 1`,
		`aftershock_fault_in_force{fault="f1",kind="kill",plan="p"} 1`, `aftershock_phase{phase="measure",plan="p"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	families, _ := get(t, s, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	for _, m := range families["aftershock_operation_latency_seconds"].GetMetric() {
		h, count, sum := m.GetHistogram(), int64(0), int64(0)
		for _, delta := range h.GetPositiveDelta() {
			count += delta
			sum += count
		}
		if h.GetSchema() != Schema || uint64(sum) != h.GetSampleCount() || len(h.GetBucket()) == 0 || len(h.GetPositiveSpan()) != 1 {
			t.Errorf("%v", h)
		}
	}
}

// TestBuckets are those of the client library for what it observes itself.
func TestBuckets(t *testing.T) {
	for _, ns := range []int64{1, 7, 999, 1000, 61035, 61036, 976562, 976563, ms, 3 * ms, 1e9, 1e9 + 1, 2e9, 90e9, 4096e9} {
		own := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", NativeHistogramBucketFactor: math.Exp2(1. / perPower), NativeHistogramZeroThreshold: prometheus.NativeHistogramZeroThresholdZero})
		own.Observe(float64(ns) / 1e9)
		var m dto.Metric
		if err := own.Write(&m); err != nil {
			t.Fatal(err)
		}
		if got, want := bucket(ns), int(m.GetHistogram().GetPositiveSpan()[0].GetOffset()); got != want || m.GetHistogram().GetSchema() != Schema {
			t.Errorf("%d ns is in bucket %d, the library has %d (schema %d)", ns, got, want, m.GetHistogram().GetSchema())
		}
	}
}

func TestListenTaken(t *testing.T) {
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Listen(s.Addr().String()); !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), "name a free address") {
		t.Errorf("an address that is taken: %v", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	tally := NewTally("p", []string{"n1", "n2", "n3"})
	ops := make([]history.Op, 4096)
	for i := range ops {
		ops[i] = history.Op{Kind: history.Write, Outcome: history.OK, End: int64(i+1) * 1000}
	}
	b.ReportAllocs()
	for range b.N {
		tally.Add(ops)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4096, "ns/operation")
}
