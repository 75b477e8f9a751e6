package load

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/all"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// BenchmarkPeer drives a server that runs already, for scripts/bench-peers: the
// whole way of a run's operations, with the history on disk and the live line's
// histogram. The environment says what to do: PEER_TARGET and PEER_ADDRESS,
// PEER_KIND (read or write), PEER_CLIENTS, PEER_PIPELINE, PEER_RATE (0: a closed
// loop) and PEER_SECONDS.
func BenchmarkPeer(b *testing.B) {
	number := func(name string) float64 {
		n, err := strconv.ParseFloat(os.Getenv(name), 64)
		if err != nil {
			b.Fatalf("%s: %v", name, err)
		}
		return n
	}
	spec := workloads.Spec{Type: "register", Name: "register", Keys: 4096, Mix: map[string]int{os.Getenv("PEER_KIND"): 1}, ReadFrom: "any",
		Clients: int(number("PEER_CLIENTS")), Rate: number("PEER_RATE")}
	if n := int(number("PEER_PIPELINE")); n > 1 {
		spec.Pipeline = n
	}
	workload, err := workloads.New(spec)
	if err != nil {
		b.Fatal(err)
	}
	target, ok := all.Find(os.Getenv("PEER_TARGET"))
	if !ok {
		b.Fatalf("no target is called %q", os.Getenv("PEER_TARGET"))
	}
	system, err := target.Configure(targets.Config{})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), history.FileName)
	recorder, err := history.NewRecorder(path, history.Meta{Nodes: []string{"n1"}, Workloads: []history.WorkloadMeta{{Name: "register", Type: "register", Keys: workloads.KeyBound(workload), Workers: workload.Workers(1)}}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	clock := history.NewClock()
	l := &Load{Workloads: []workloads.Workload{workload}, History: recorder, Emit: func(history.Event) {},
		Clients: Clients{System: system, Nodes: []*cluster.Node{{Name: "n1", Addr: netip.MustParseAddr("127.0.0.1")}}, Clock: clock, Primary: func() int { return 0 },
			Options: targets.ClientOptions{ConnectTimeout: 5 * time.Second, OpTimeout: 10 * time.Second, Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", os.Getenv("PEER_ADDRESS"))
			}}}}
	poll := func(func(context.Context)) {} // nobody polls
	length := int64(number("PEER_SECONDS") * 1e9)
	spent, start := processorTime(b), clock.Now()
	l.Run(b.Context(), Window{Start: start, Measure: start, Stop: start + length, Grace: start + length + int64(5*time.Second)}, poll)
	if err := recorder.Close(); err != nil {
		b.Fatal(err)
	}
	spent = processorTime(b) - spent
	log, err := history.Load(path)
	if err != nil {
		b.Fatal(err)
	}
	took := make([]int64, 0, len(log.Ops))
	failed := 0
	for _, op := range log.Ops {
		if op.Outcome != history.OK {
			failed++
			continue
		}
		took = append(took, op.End-op.Intended)
	}
	if len(took) == 0 {
		b.Fatalf("none of %d operations was acknowledged", len(log.Ops))
	}
	slices.Sort(took)
	quantile := func(q float64) float64 { return float64(took[min(int(q*float64(len(took))), len(took)-1)]) / 1e6 }
	b.ReportMetric(float64(len(took))/(float64(length)/1e9), "ops/s")
	b.ReportMetric(float64(spent.Microseconds())/float64(len(took)), "cpu-µs/op")
	b.ReportMetric(float64(failed), "errors")
	b.ReportMetric(quantile(0.5), "p50-ms")
	b.ReportMetric(quantile(0.99), "p99-ms")
	b.ReportMetric(quantile(0.999), "p999-ms")
	b.ReportMetric(quantile(1), "max-ms")
}
