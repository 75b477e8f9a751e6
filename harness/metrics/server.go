package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/aftershock-chaos/aftershock/internal/failure"
)

const (
	headerTime = 5 * time.Second // to read a request's header
	stopTime   = 2 * time.Second // for answers under way when the server stops
)

// The classic buckets end at the powers of two of a second from 2^-14, 61 µs, to
// 2^4, 16 s, where native ones end as well, so that one count makes both.
const (
	classicFrom = -14
	classicTo   = 4
)

// Moment is what a Server shows.
type Moment struct {
	*Snapshot
	Phase  string
	Faults []string // in force, each its id and kind
	Roles  []Role
}

// Role is what clients take a node for; of a node that does not answer it is empty.
type Role struct{ Node, Role string }

// Name is the role's name where one is needed.
func (r Role) Name() string { return cmp.Or(r.Role, "none") }

// Server shows the newest moment of the runs that are made, at /metrics in
// Prometheus' formats: classic histograms as text, native ones too as protobuf.
// Counters begin at zero with every run.
type Server struct {
	now    atomic.Pointer[Moment]
	server *http.Server
	addr   net.Addr
	done   chan error
}

// Listen serves at a TCP address until Close. Errors wrap ErrInput.
func Listen(address string) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: --listen: %w; name a free address, like 127.0.0.1:9100", failure.ErrInput, err)
	}
	s := &Server{addr: listener.Addr(), done: make(chan error, 1)}
	registry := prometheus.NewRegistry()
	if err := registry.Register(collector{s}); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTime}
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.addr }

// Show takes the newest moment; nil is none.
func (s *Server) Show(m Moment) {
	if s != nil && m.Snapshot != nil {
		s.now.Store(&m)
	}
}

// Close ends the server.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// collector makes Prometheus' metrics of the newest moment.
type collector struct{ server *Server }

var (
	operations = prometheus.NewDesc("aftershock_operations_total", "Operations of the load that ended, warm-up included.", []string{"plan", "kind", "outcome", "node"}, nil)
	took       = prometheus.NewDesc("aftershock_operation_latency_seconds", "Intended start to answer of the acknowledged operations.", []string{"plan", "kind"}, nil)
	behind     = prometheus.NewDesc("aftershock_replication_lag_seconds", "Age of the oldest acknowledged marker that the replica has not shown yet.", []string{"plan", "node"}, nil)
	inForce    = prometheus.NewDesc("aftershock_fault_in_force", "1 while a fault is in force.", []string{"plan", "fault", "kind"}, nil)
	role       = prometheus.NewDesc("aftershock_node_role", "1 of the role that clients see a node in: primary, replica, peer, or none if it does not answer.", []string{"plan", "node", "role"}, nil)
	phase      = prometheus.NewDesc("aftershock_phase", "1 of the phase that the run is in.", []string{"plan", "phase"}, nil)
)

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{operations, took, behind, inForce, role, phase} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	m := c.server.now.Load()
	if m == nil {
		return
	}
	for _, n := range m.Ops {
		to <- prometheus.MustNewConstMetric(operations, prometheus.CounterValue, float64(n.N), m.Plan, n.Kind, n.Outcome, n.Node)
	}
	for i := range m.Latency {
		to <- histogram{&m.Latency[i], m.Plan}
	}
	for _, l := range m.Lag {
		to <- prometheus.MustNewConstMetric(behind, prometheus.GaugeValue, l.Seconds, m.Plan, l.Node)
	}
	for _, f := range m.Faults {
		id, kind, _ := strings.Cut(f, " ")
		to <- prometheus.MustNewConstMetric(inForce, prometheus.GaugeValue, 1, m.Plan, id, kind)
	}
	for _, r := range m.Roles {
		to <- prometheus.MustNewConstMetric(role, prometheus.GaugeValue, 1, m.Plan, r.Node, r.Name())
	}
	to <- prometheus.MustNewConstMetric(phase, prometheus.GaugeValue, 1, m.Plan, m.Phase)
}

// histogram is one that is classic and native at once, which the library makes
// of what it observes itself only.
type histogram struct {
	*Histogram
	plan string
}

// Desc implements prometheus.Metric.
func (h histogram) Desc() *prometheus.Desc { return took }

// Write implements prometheus.Metric.
func (h histogram) Write(to *dto.Metric) error {
	to.Label = prometheus.MakeLabelPairs(took, []string{h.plan, h.Kind})
	all := &dto.Histogram{SampleSum: proto.Float64(h.Sum), Schema: proto.Int32(Schema), ZeroThreshold: proto.Float64(0), ZeroCount: proto.Uint64(0)}
	all.PositiveSpan = []*dto.BucketSpan{{Offset: proto.Int32(int32(h.First)), Length: proto.Uint32(uint32(len(h.Buckets)))}}
	sum, before := uint64(0), int64(0)
	next := classicFrom
	for i, n := range h.Buckets {
		for ; next <= classicTo && next*perPower < h.First+i; next++ {
			all.Bucket = append(all.Bucket, classic(next, sum))
		}
		sum += n
		all.PositiveDelta = append(all.PositiveDelta, int64(n)-before)
		before = int64(n)
	}
	for ; next <= classicTo; next++ {
		all.Bucket = append(all.Bucket, classic(next, sum))
	}
	all.SampleCount = proto.Uint64(sum)
	to.Histogram = all
	return nil
}

// classic is the bucket up to a power of two of a second.
func classic(power int, count uint64) *dto.Bucket {
	upper := 1.0
	for range max(power, 0) {
		upper *= 2
	}
	for range max(-power, 0) {
		upper /= 2
	}
	return &dto.Bucket{UpperBound: proto.Float64(upper), CumulativeCount: proto.Uint64(count)}
}
