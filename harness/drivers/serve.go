package drivers

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/watchdog"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// acceptTimeout bounds the wait for the harness: it comes at once.
const acceptTimeout = time.Minute

// Serve is a driver: it does what the harness orders, until that is gone. words are
// those of the plan's hosts and targets.
func Serve(ctx context.Context, words plan.Words) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("driver: %w", err)
	}
	return serve(ctx, l, words, ".")
}

// ServeOn is Serve where the harness comes by a listener. The history is in the working
// folder.
func ServeOn(ctx context.Context, l net.Listener, words plan.Words) error {
	return serve(ctx, l, words, ".")
}

// serve is Serve on a listener, with the history in a folder.
func serve(ctx context.Context, l net.Listener, words plan.Words, dir string) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	d := &driver{words: words, dir: dir, sent: make(chan struct{}, 1), ready: make(chan struct{}), whole: make(chan struct{})}
	var serving sync.WaitGroup
	defer func() {
		cancel(err)
		_ = l.Close()
		serving.Wait()
		err = errors.Join(err, d.close())
	}()
	orders := make(chan net.Conn)
	serving.Go(func() { d.accept(ctx, l, &serving, orders) })
	timer := time.NewTimer(acceptTimeout)
	defer timer.Stop()
	select {
	case conn := <-orders:
		defer conn.Close()
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		return d.obey(ctx, conn)
	case <-d.sent:
		return nil
	case <-timer.C:
		return fmt.Errorf("driver: nobody came in %s: it is started by the harness, not by hand", acceptTimeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// driver is one process's part of a run.
type driver struct {
	words plan.Words
	dir   string
	sent  chan struct{} // the spool was
	clock history.Clock // set when ready is closed
	path  string        // of the history, likewise
	ready chan struct{}
	whole chan struct{} // closed when it does not grow any more

	plan      *plan.Plan
	workloads []workloads.Workload
	recorder  *history.Recorder
	load      *load.Load
	belief    atomic.Pointer[belief]
	changes   atomic.Uint64
	sending   sync.Mutex
	out       *json.Encoder
}

// accept takes connections until the listener is closed.
func (d *driver) accept(ctx context.Context, l net.Listener, serving *sync.WaitGroup, orders chan<- net.Conn) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			kind := make([]byte, 1)
			if _, err := io.ReadFull(conn, kind); err != nil {
				_ = conn.Close()
				return
			}
			if kind[0] == forOrders {
				select {
				case orders <- conn: // whoever takes it closes it
				case <-ctx.Done():
					_ = conn.Close()
				}
				return
			}
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			if kind[0] == forSpool {
				_ = d.tellSpool(conn) // the other end notices
				d.sent <- struct{}{}
				return
			}
			select {
			case <-d.ready:
			case <-ctx.Done():
				return
			}
			switch kind[0] {
			case forClock:
				d.tellTime(conn)
			case forHistory:
				_ = d.tellHistory(ctx, conn) // the other end notices
			}
		})
	}
}

// tellTime answers every byte with what the clock reads.
func (d *driver) tellTime(conn net.Conn) {
	question, answer := make([]byte, 1), make([]byte, 8)
	for {
		if _, err := conn.Read(question); err != nil {
			return
		}
		binary.BigEndian.PutUint64(answer, uint64(d.clock.Now()))
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// followEvery is how often the history is looked at for what was added to it.
const followEvery = 50 * time.Millisecond

// tellHistory sends all of the history as it grows.
func (d *driver) tellHistory(ctx context.Context, to io.Writer) error {
	file, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer file.Close()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for whole := false; ; {
		if _, err := io.Copy(to, file); err != nil || whole {
			return err
		}
		select {
		case <-d.whole:
			whole = true // once more
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *driver) send(r report) {
	d.sending.Lock()
	defer d.sending.Unlock()
	_ = d.out.Encode(r) // a harness that is gone ends the orders
}

// obey does what it is told until the connection ends. The load goes on meanwhile.
func (d *driver) obey(ctx context.Context, conn net.Conn) error {
	d.out = json.NewEncoder(conn)
	working, stop := context.WithCancel(ctx)
	background, end := context.WithCancel(ctx)
	var work, beside sync.WaitGroup
	defer func() {
		stop()
		end()
		work.Wait()
		beside.Wait()
	}()
	err := receive(conn, func(o *order) bool {
		switch {
		case o.Job != nil:
			if err := d.prepare(ctx, o.Job, &beside, background); err != nil {
				d.send(report{Error: err.Error()})
				return false
			}
			d.send(report{Ready: true})
		case o.Belief != nil && o.Belief.Primary < len(d.nodes()):
			d.move(o.Belief.Addrs)
			d.belief.Store(o.Belief)
			d.changes.Store(o.Belief.Changes)
		case d.load == nil: // it was not told its job
		case o.Fill:
			work.Go(func() { d.fill(working) })
		case o.Start != nil:
			w := load.Window{Start: o.Start.Start, Measure: o.Start.Measure, Stop: o.Start.Stop, Grace: o.Start.Grace, Spans: o.Start.Spans}
			work.Go(func() { d.drive(working, w, &beside, background) })
		case o.Stop: // whatever goes on ends as it does in the harness
			stop()
			work.Wait()
			end()
			beside.Wait()
			err := d.close()
			d.send(report{Ended: true, Error: words(err)})
		}
		return true
	})
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		return nil
	}
	return err
}

func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (d *driver) nodes() []*cluster.Node {
	if d.load == nil {
		return nil
	}
	return d.load.Nodes
}

// prepare makes all that the load needs, and lets the watchdog look.
func (d *driver) prepare(ctx context.Context, j *job, beside *sync.WaitGroup, background context.Context) error {
	if d.load != nil {
		return errors.New("a driver has one job")
	}
	plans, err := plan.Parse(rundir.PlanFile, j.Plan, nil, d.words)
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	d.plan = plans[0]
	nodes, err := nodesOf(j.Nodes)
	if err != nil {
		return err
	}
	system, doors, err := systemOf(d.plan, nodes, j)
	if err != nil {
		return err
	}
	for _, spec := range d.plan.Loads() {
		w, err := workloads.New(spec)
		if err != nil {
			return fmt.Errorf("workload %s: %w", spec.Name, err)
		}
		d.workloads = append(d.workloads, w)
	}
	d.path = d.dir + "/" + history.FileName
	if d.recorder, err = history.NewRecorder(d.path, MetaOf(j.Run, d.plan, d.workloads), nil); err != nil {
		return err
	}
	d.clock = history.NewClock()
	if j.Wrong != nil {
		d.clock = history.NewWrongClock(*j.Wrong)
	}
	emit := func(e history.Event) {
		if e.Kind == history.EventUntrusted || e.Kind == history.EventDemand {
			e.By = j.Name
			d.send(report{Event: &e})
		}
	}
	dog := watchdog.New(d.clock, nil, cluster.DefaultLease, emit)
	beside.Go(func() { dog.Run(background) })
	d.belief.Store(&belief{Primary: -1})
	d.load = &load.Load{Workloads: d.workloads, History: d.recorder, Seed: d.plan.Seed, Emit: emit, Share: load.Share{Index: j.Index, Count: j.Count},
		Clients: load.Clients{System: system, Doors: doors, Nodes: nodes, Clock: d.clock, Watchdog: dog, Primary: d.primary, Changes: &d.changes, Replica: d.replica,
			Options: targets.ClientOptions{ConnectTimeout: d.plan.Timeouts.Connect, OpTimeout: d.plan.Timeouts.Operation, Values: load.Values(d.workloads, d.plan.Seed)}}}
	close(d.ready)
	return nil
}

func (d *driver) primary() int { return d.belief.Load().Primary }

func (d *driver) replica(node int) bool {
	b := d.belief.Load()
	return node < len(b.Replicas) && b.Replicas[node]
}

func (d *driver) fill(ctx context.Context) {
	n, err := d.load.Loaded(ctx)
	d.send(report{Filled: &filled{Records: n, Error: words(err)}})
}

func (d *driver) drive(ctx context.Context, w load.Window, beside *sync.WaitGroup, background context.Context) {
	d.load.Run(ctx, w, func(poll func(context.Context)) { beside.Go(func() { poll(background) }) })
	d.recorder.Flush()
	size := int64(0)
	if info, err := os.Stat(d.path); err == nil {
		size = info.Size()
	}
	d.send(report{Over: &over{Size: size}})
}

// close ends the history.
func (d *driver) close() error {
	if d.recorder == nil {
		return nil
	}
	err := d.recorder.Close() // a second one does nothing
	select {
	case <-d.whole:
	default:
		close(d.whole)
	}
	return err
}

// MetaOf is what a history says of its run.
func MetaOf(run string, p *plan.Plan, list []workloads.Workload) history.Meta {
	meta := history.Meta{Run: run, EventsMarked: true, Nodes: p.NodeNames()}
	nodes := len(meta.Nodes)
	for _, w := range list {
		spec := w.Spec()
		meta.Workloads = append(meta.Workloads, history.WorkloadMeta{Name: spec.Name, Type: spec.Type, Object: workloads.ObjectOf(spec.Type),
			Keys: workloads.KeyBound(w), Workers: w.Workers(nodes)})
	}
	for i, name := range p.Drivers.Names() {
		share, d := load.Share{Index: i, Count: p.Drivers.Count}, history.Driver{Name: name}
		for _, w := range list {
			first, behind := share.Workers(w, nodes)
			d.Workers = append(d.Workers, [2]int{first, behind})
		}
		meta.Drivers = append(meta.Drivers, d)
	}
	meta.Drivers = slices.Clip(meta.Drivers)
	return meta
}
