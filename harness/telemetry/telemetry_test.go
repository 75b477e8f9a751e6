package telemetry

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/aftershock-chaos/aftershock/harness/metrics"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector keeps what it is sent.
type collector struct {
	t       *testing.T
	mu      sync.Mutex
	metrics map[string]*metricspb.Metric // the newest
	spans   map[string]*tracepb.Span
	service string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	switch r.URL.Path {
	case "/base/v1/metrics":
		var request collectormetrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			c.t.Error(err)
		}
		for _, of := range request.GetResourceMetrics() {
			c.service = of.GetResource().GetAttributes()[0].GetValue().GetStringValue()
			for _, scope := range of.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					c.metrics[m.GetName()] = m
				}
			}
		}
	case "/base/v1/traces":
		var request collectortrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			c.t.Error(err)
		}
		for _, of := range request.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				for _, s := range scope.GetSpans() {
					c.spans[s.GetName()] = s
				}
			}
		}
	default:
		c.t.Errorf("a request for %s", r.URL.Path)
	}
}

var began = time.Unix(1_800_000_000, 0)

// moments are those of a run that was killed once and recovered.
func moments() []Moment {
	tally := metrics.NewTally("p", []string{"n1", "n2"})
	ms := int64(time.Millisecond)
	for range 7 {
		tally.Add([]history.Op{{Kind: history.Write, Outcome: history.OK, Start: 10 * ms, Intended: 10 * ms, End: 13 * ms}})
	}
	tally.Add([]history.Op{{Kind: history.Write, Outcome: history.Unknown, Node: 1}})
	sec := int64(time.Second)
	m := Moment{Moment: metrics.Moment{Snapshot: tally.Snapshot(), Phase: "measure", Faults: []string{"f1 kill"}, Roles: []metrics.Role{{Node: "n1", Role: "primary"}}}, Run: "the-run", Began: began}
	first, second := m, m
	first.Events = []history.Event{{At: sec, Kind: history.EventPhase, Detail: "measure"}, {At: 2 * sec, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1", "n2"}}}
	second.Events = []history.Event{{At: 3 * sec, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n1"}}, {At: 4 * sec, Kind: history.EventHeal, Fault: "f1", Nodes: []string{"n2"}},
		{At: 5 * sec, Kind: history.EventFailover, Node: "n2"}, {At: 6 * sec, Kind: history.EventFault, Fault: "f2", Name: "pause", Failed: true}, {At: 7 * sec, Kind: history.EventPhase, Detail: "end"}}
	return []Moment{first, second}
}

// TestReceived: a collector gets the numbers, and spans at their instants.
func TestReceived(t *testing.T) {
	c := &collector{t: t, metrics: map[string]*metricspb.Metric{}, spans: map[string]*tracepb.Span{}}
	server := httptest.NewServer(c)
	defer server.Close()
	e, err := New(server.URL+"/base", func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range moments() {
		e.Show(m)
	}
	e.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.service != "aftershock" {
		t.Errorf("the service is %q", c.service)
	}
	counts := map[string]int64{}
	for _, point := range c.metrics["aftershock.operations"].GetSum().GetDataPoints() {
		for _, a := range point.GetAttributes() {
			if a.GetKey() == "outcome" {
				counts[a.GetValue().GetStringValue()] = point.GetAsInt()
			}
		}
	}
	if counts["ok"] != 7 || counts["unknown"] != 1 {
		t.Errorf("operations: %v", counts)
	}
	latency := c.metrics["aftershock.operation.latency"].GetExponentialHistogram().GetDataPoints()
	if len(latency) != 1 || latency[0].GetCount() != 7 || latency[0].GetScale() != 3 || latency[0].GetStartTimeUnixNano() != uint64(began.UnixNano()) {
		t.Fatalf("latency: %v", latency)
	}
	// 3 ms lie in (2^(-68/8), 2^(-67/8)], which OpenTelemetry counts in bucket -68.
	if at := latency[0].GetPositive().GetOffset(); at > -68 || int(-68-at) >= len(latency[0].GetPositive().GetBucketCounts()) || latency[0].GetPositive().GetBucketCounts()[-68-at] != 7 {
		t.Errorf("the buckets are %v", latency[0].GetPositive())
	}
	for _, name := range []string{"aftershock.fault.in_force", "aftershock.node.role", "aftershock.phase"} {
		if c.metrics[name].GetGauge().GetDataPoints()[0].GetAsDouble() != 1 {
			t.Errorf("%s: %v", name, c.metrics[name])
		}
	}
	run := c.spans["run the-run"]
	for name, want := range map[string][2]int{"run the-run": {0, 7}, "phase measure": {1, 7}, "fault kill": {2, 4}, "fault pause": {6, 6}} {
		s := c.spans[name]
		if s == nil {
			t.Fatalf("%q is not among the spans", name)
		}
		from, to := began.Add(time.Duration(want[0])*time.Second), began.Add(time.Duration(want[1])*time.Second)
		if s.GetStartTimeUnixNano() != uint64(from.UnixNano()) || s.GetEndTimeUnixNano() != uint64(to.UnixNano()) {
			t.Errorf("%q is from %d to %d", name, s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano())
		}
		if name != "run the-run" && !slices.Equal(s.GetParentSpanId(), run.GetSpanId()) {
			t.Errorf("%q is no part of the run", name)
		}
	}
	if len(run.GetEvents()) != 1 || run.GetEvents()[0].GetName() != "failover" {
		t.Errorf("the run's events are %v", run.GetEvents())
	}
}

// TestDeadEndpoint: a collector that is not there, that does not answer or that
// refuses is told once, and holds nobody up.
func TestDeadEndpoint(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer silent.Close()
	defer close(over)
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	for name, endpoint := range map[string]string{"nobody": nobody, "silent": silent.URL, "refusing": refusing.URL} {
		var mu sync.Mutex
		var told []error
		e, err := New(endpoint, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, err)
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for i := range 100 {
			for _, m := range moments() {
				m.Run += strconv.Itoa(i)
				e.Show(m)
			}
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%s: showing took %s", name, took)
		}
		time.Sleep(every + every/2)
		begin = time.Now()
		e.Close()
		if took := time.Since(begin); took > stopTime+time.Second {
			t.Errorf("%s: closing took %s", name, took)
		}
		mu.Lock()
		if len(told) != 1 || !strings.Contains(told[0].Error(), "the run goes on without") {
			t.Errorf("%s: told %v", name, told)
		}
		mu.Unlock()
	}
}

func TestEndpoint(t *testing.T) {
	for text, want := range map[string]string{"http://127.0.0.1:4318": "http://127.0.0.1:4318", "collector:4318": "http://collector:4318", "https://u:p@x/base/": "https://u:p@x/base/"} {
		if got, err := parse(text); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "grpc://x:4317", "http://", "http://x?y", "http://\x00", "::"} {
		if _, err := New(text, nil); !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), "http://127.0.0.1:4318") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
