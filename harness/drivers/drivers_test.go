package drivers

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// store is a target in memory that all drivers of a test share: a single copy, unless
// its reads are stale.
type store struct {
	stale time.Duration // reads of every seventh call show what was there so long ago

	quick []atomic.Int64 // by key: nothing but this is done; nil: it is slow, and remembers

	mu    sync.Mutex
	calls int
	at    map[uint32][]version

	joining int64  // processor time of making one history of a run, in nanoseconds
	path    string // of it
}

type version struct {
	at    time.Time
	value int64
}

func (s *store) Info() targets.Info {
	return targets.Info{Name: "store", Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Mark, history.Poll}}
}
func (s *store) Configure(targets.Config) (targets.System, error)                   { return s, nil }
func (s *store) Server([]*cluster.Node, int) (spec cluster.ServerSpec)              { return spec }
func (s *store) Form(context.Context, []*cluster.Node) error                        { return nil }
func (s *store) Status(context.Context, *cluster.Node) (st targets.Status, _ error) { return st, nil }
func (s *store) ClientStatus(context.Context, *cluster.Node) (st targets.Status, _ error) {
	return st, nil
}
func (s *store) Connect(context.Context, *cluster.Node, targets.ClientOptions) (targets.Client, error) {
	return client{s}, nil
}

type client struct{ *store }

func (client) Broken() bool { return false }
func (client) Close() error { return nil }

func (c client) Do(_ context.Context, op *history.Op) {
	if c.quick != nil {
		op.Outcome = history.OK
		if at := &c.quick[op.Key]; op.Kind == history.Write {
			at.Store(op.Value)
		} else if op.Value = at.Load(); op.Value == 0 {
			op.Value = history.Nil
		}
		return
	}
	time.Sleep(100 * time.Microsecond)
	c.mu.Lock()
	c.calls++
	op.Outcome = history.OK
	key := uint32(op.Workload)<<16 | op.Key
	all := c.at[key]
	now, stale := history.Nil, history.Nil
	if n := len(all); n > 0 {
		now = all[n-1].value
	}
	for _, v := range all {
		if time.Since(v.at) > c.stale {
			stale = v.value
		}
	}
	switch {
	case op.Kind == history.Write, op.Kind == history.Mark:
		c.at[key] = append(all, version{time.Now(), op.Value})
	case op.Kind == history.Read && c.stale > 0 && c.calls%7 == 0:
		op.Value = stale
	case op.Kind == history.Read, op.Kind == history.Poll:
		if op.Value = now; op.Kind == history.Poll {
			op.Value = max(now, 0)
		}
	case op.Old == now:
		c.at[key] = append(all, version{time.Now(), op.Value})
	default:
		op.Outcome, op.Error = history.Fail, history.ErrCompare
	}
	c.mu.Unlock()
	time.Sleep(100 * time.Microsecond)
}

// process is a driver's node, whose process is in this one.
type process struct {
	beyond
	t     *testing.T
	words plan.Words
	dir   string

	mu    sync.Mutex
	l     net.Listener
	kill  context.CancelFunc
	ended chan error
	conns []net.Conn
	exits chan cluster.Exit
}

func (p *process) Start(ctx context.Context, spec cluster.ServerSpec) error {
	if len(spec.Command) != 2 || spec.Command[1] != Command {
		p.t.Errorf("started %q", spec.Command)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, p.kill = context.WithCancel(context.WithoutCancel(ctx))
	p.l, p.ended = l, make(chan error, 1)
	ended := p.ended
	go func() { ended <- serve(ctx, l, p.words, p.dir) }()
	return nil
}

func (p *process) DialServer(ctx context.Context, to int) (net.Conn, error) {
	if to != port {
		p.t.Errorf("dialled %d", to)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.l.Addr().String())
	if err == nil {
		p.mu.Lock()
		p.conns = append(p.conns, conn)
		p.mu.Unlock()
	}
	return conn, err
}

// Exits implements cluster.Control.
func (p *process) Exits() <-chan cluster.Exit { return p.exits }

// die ends the process as a kill does: what was not written to the disk is gone.
func (p *process) die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.t.TempDir()
	contents, err := os.ReadFile(filepath.Join(p.dir, history.FileName))
	if err == nil {
		err = os.WriteFile(filepath.Join(left, history.FileName), contents, 0o644)
	}
	if err != nil {
		p.t.Error(err)
	}
	p.kill()
	for _, c := range p.conns {
		_ = c.Close()
	}
	<-p.ended
	p.dir = left
	p.exits <- cluster.Exit{At: time.Now(), Signal: "killed"}
}

type roles struct{}

func (roles) Primary() int     { return 0 }
func (roles) Replica(int) bool { return false }

// run has a plan driven for a time, and gives its log. during is called beside the load.
func run(t *testing.T, text string, s *store, wrong map[string]history.Wrong, during func([]*process)) (*history.Log, *plan.Plan) {
	t.Helper()
	s.at = map[uint32][]version{}
	words := plan.Words{Hosts: []string{plan.AutoHost, "local"}, Targets: []targets.Target{s}}
	plans, err := plan.Parse("plan.yaml", []byte(text), nil, words)
	if err != nil {
		t.Fatal(err)
	}
	p := plans[0]
	p.Seed = 7
	dir := t.TempDir()
	clock := history.NewClock()
	var mu sync.Mutex
	var events []history.Event
	crew := Crew{Plan: p, Run: "test", Dir: t.TempDir(), Clock: clock, Log: slog.New(slog.DiscardHandler), Wrong: wrong,
		Emit: func(e history.Event) { mu.Lock(); events = append(events, e); mu.Unlock() }}
	var processes []*process
	for i, name := range p.Drivers.Names() {
		processes = append(processes, &process{t: t, words: words, dir: t.TempDir(), exits: make(chan cluster.Exit, 1)})
		crew.Nodes = append(crew.Nodes, &cluster.Node{Name: name, Index: i, Control: processes[i]})
	}
	for i, name := range p.NodeNames() {
		crew.Targets = append(crew.Targets, &cluster.Node{Name: name, Index: i, Addr: netip.MustParseAddr("127.0.0.1")})
	}
	for _, spec := range p.Loads() {
		w, err := workloads.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		crew.Workloads = append(crew.Workloads, w)
	}
	shown := 0
	crew.Tap = func(ops []history.Op) { shown += len(ops) }
	fleet, err := Start(t.Context(), crew)
	if err != nil {
		t.Fatal(err)
	}
	believing, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	beside.Go(func() { fleet.Believe(believing, roles{}, func() uint64 { return 1 }) })
	if _, err := fleet.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := load.NewWindow(clock.Now()+int64(Lead), p)
	if during != nil {
		beside.Go(func() { load.SleepUntil(t.Context(), clock, w.Measure); during(processes) })
	}
	fleet.Drive(t.Context(), w)
	stop()
	beside.Wait()
	fleet.End(t.Context())
	fleet.Tell(w)
	path := filepath.Join(dir, history.FileName)
	meta := MetaOf("test", p, crew.Workloads)
	own, err := history.NewRecorder(path, meta, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Close(); err != nil {
		t.Fatal(err)
	}
	began := processor(t)
	if err := fleet.Join(path, meta); err != nil {
		t.Fatal(err)
	}
	s.joining, s.path = processor(t)-began, path
	for _, p := range processes {
		p.kill()
		<-p.ended
	}
	log, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !log.Torn && log.Doubts.Lost == "" && shown != len(log.Ops) {
		t.Errorf("%d operations were shown of %d", shown, len(log.Ops))
	}
	log.Events = append(events, history.Event{Kind: history.EventPhase, Detail: "measure", At: w.Measure}, history.Event{Kind: history.EventPhase, Detail: "heal", At: w.Stop})
	return log, p
}

const threeDrivers = `
target: {name: store, replicas: 2}
host: local
drivers: {count: 3}
workloads: [{name: register, keys: 4, mix: {read: 50, write: 40, cas: 10}, clients: 7, rate: 600/s}, {name: lag}]
warmup: 100ms
duration: 1s
`

func values(log *history.Log) map[string]checkers.Value {
	found := map[string]checkers.Value{}
	for _, v := range all.Run(context.Background(), log, checkers.Limits{Workers: 1}).Values {
		found[v.Name] = v
	}
	return found
}

// TestDriversShareTheLoad: together the drivers do what the harness would, each its own
// part, by the run's clock.
func TestDriversShareTheLoad(t *testing.T) {
	log, _ := run(t, threeDrivers, &store{}, nil, nil)
	if log.Torn {
		t.Fatal("the history is torn")
	}
	asked := int64(0)
	for _, e := range log.Events {
		if e.Kind == history.EventDemand {
			asked += e.Demand.Asked
		}
	}
	if asked != 600 {
		t.Errorf("600 operations were asked for, in parts that make %d", asked)
	}
	workers, processes, byDriver := map[uint16]int{}, map[uint32]*history.Op{}, map[int]int{}
	for i := range log.Ops {
		op := &log.Ops[i]
		if before := processes[op.Process]; before != nil && (before.End > op.Start || before.Worker != op.Worker || before.Workload != op.Workload) {
			t.Fatalf("one process did %+v and %+v", before, op)
		}
		processes[op.Process] = op
		if op.Workload == 0 {
			workers[op.Worker]++
		}
		for d, driver := range log.Meta.Drivers {
			if w := driver.Workers[op.Workload]; w[0] <= int(op.Worker) && int(op.Worker) < w[1] {
				if byDriver[d]++; op.Workload == 1 && d != 0 {
					t.Errorf("%s polls for markers", driver.Name)
				}
			}
		}
	}
	if len(workers) != 7 || len(byDriver) != 3 {
		t.Errorf("workers %v, drivers %v", workers, byDriver)
	}
	if v := values(log); v["linearizable"].N != 1 || v["lag.markers"].N == 0 || !v["latency.p50"].Known {
		t.Errorf("linearizable %+v, markers %+v, latency %+v", v["linearizable"], v["lag.markers"], v["latency.p50"])
	}
	if span := log.UsualSpan(); span < 50_000 || span > 20e6 {
		t.Errorf("the clocks are known to within %d ns", span)
	}
}

// TestClocksThatGoWrong: a step or a drift makes the width, and no violation; times are
// those of the run's clock all the same.
func TestClocksThatGoWrong(t *testing.T) {
	for name, wrong := range map[string]history.Wrong{
		"step":  {Step: 50 * time.Millisecond, After: 700 * time.Millisecond},
		"back":  {Step: -50 * time.Millisecond, After: 700 * time.Millisecond},
		"drift": {Drift: 0.02},
	} {
		t.Run(name, func(t *testing.T) {
			log, _ := run(t, threeDrivers, &store{}, map[string]history.Wrong{"driver2": wrong}, nil)
			v := values(log)
			if lin := v["linearizable"]; lin.N != 1 || v["reads.future"].N != 0 {
				t.Errorf("linearizable %+v, future %+v", lin, v["reads.future"])
			}
			span := log.Span()
			if step := max(wrong.Step, -wrong.Step); int64(step)/2 > span { // a look while the clock stood still halves it
				t.Errorf("a step of %s, and the clocks are known to within %s", step, time.Duration(span))
			}
			if name == "drift" && span < 2e6 {
				t.Errorf("the clocks are known to within %s", time.Duration(span))
			}
			if end := log.Ops[len(log.Ops)-1].Start; end > 3e9 {
				t.Errorf("an operation began at %d", end)
			}
		})
	}
}

// TestViolationsAcrossDrivers: reads that are stale by much more than the width are found.
func TestViolationsAcrossDrivers(t *testing.T) {
	log, _ := run(t, threeDrivers, &store{stale: 200 * time.Millisecond}, nil, nil)
	v := values(log)
	if v["linearizable"].N != 0 || v["reads.stale"].N == 0 || !v["reads.stale"].AtLeast {
		t.Errorf("linearizable %+v, stale %+v", v["linearizable"], v["reads.stale"])
	}
}
