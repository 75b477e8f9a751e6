package drivers

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/clocks"
	"github.com/aftershock-chaos/aftershock/workloads"
)

const (
	// startTimeout bounds the start of the drivers, up to their being ready.
	startTimeout = 20 * time.Second
	// lookEvery is how often a driver's clock is looked at.
	lookEvery = 25 * time.Millisecond
	// firstLooks are those before anything else: the best of them counts.
	firstLooks = 10
	// lastLooks are made when all is recorded.
	lastLooks = 6
	// Lead is how long ahead the load's begin is sent.
	Lead = 300 * time.Millisecond
	// endTimeout bounds the wait for what drivers still send when the run is over, beyond
	// the time that what is under way may take.
	endTimeout = 20 * time.Second
	// beliefEvery is how often it is looked whether roles have changed.
	beliefEvery = 5 * time.Millisecond
)

// Crew is what a Fleet is made of.
type Crew struct {
	Nodes     []*cluster.Node // the drivers'
	Targets   []*cluster.Node
	Plan      *plan.Plan // with a seed
	Workloads []workloads.Workload
	Run       string // its name
	Dir       string // where the drivers' histories are copied to; it is there
	Clock     history.Clock
	Emit      func(history.Event)
	Tap       func([]history.Op) // is shown what drivers record; it is called by one at a time
	Log       *slog.Logger
	// Wrong has a driver's clock go wrong; nil: none does.
	Wrong map[string]history.Wrong
}

// Fleet is the drivers of a run, as the harness has them.
type Fleet struct {
	Crew
	all     []*remote
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	tapping sync.Mutex
}

// remote is one driver.
type remote struct {
	index  int
	name   string
	node   *cluster.Node
	path   string // of the copy of its history
	orders net.Conn
	out    *json.Encoder
	writes sync.Mutex // of orders

	ready, filled, over, ended, copied, lost chan struct{} // closed when it is
	once                                     [6]sync.Once
	loaded                                   filled
	size                                     int64 // of the history that has all of the load

	mu      sync.Mutex
	why     error // of the loss
	lostAt  int64
	looks   []clocks.Look
	offset  int64 // by the best of the last looks
	tapped  int64 // bytes of the history that were shown
	whole   bool  // its copy is
	waiting chan struct{}
}

// Start starts the drivers, tells them their job and looks at their clocks. On an error
// nothing of them goes on but their processes, which end with their nodes.
func Start(ctx context.Context, crew Crew) (_ *Fleet, err error) {
	f := &Fleet{Crew: crew}
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for i, n := range crew.Nodes {
		d := &remote{index: i, name: n.Name, node: n, path: filepath.Join(crew.Dir, n.Name+filepath.Ext(history.FileName))}
		for _, c := range []*chan struct{}{&d.ready, &d.filled, &d.over, &d.ended, &d.copied, &d.lost} {
			*c = make(chan struct{})
		}
		f.all = append(f.all, d)
	}
	text, err := crew.Plan.YAML()
	if err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	var starting sync.WaitGroup
	errs := make([]error, len(f.all))
	for i, d := range f.all {
		starting.Go(func() {
			if err := f.start(ctx, d, text); err != nil {
				errs[i] = fmt.Errorf("start %s: %w", d.name, err)
			}
		})
	}
	starting.Wait()
	return f, errors.Join(errs...)
}

// start brings one driver to work.
func (f *Fleet) start(ctx context.Context, d *remote, text []byte) error {
	if err := d.node.Start(ctx, cluster.ServerSpec{Command: []string{cluster.Self, Command}}); err != nil {
		return err
	}
	var err error
	if d.orders, err = f.dial(ctx, d, forOrders); err != nil {
		return err
	}
	d.out = json.NewEncoder(d.orders)
	f.running.Go(func() { f.hear(d) })
	j := &job{Plan: text, Name: d.name, Index: d.index, Count: len(f.all), Run: f.Run}
	for _, n := range f.Targets {
		j.Nodes = append(j.Nodes, node{n.Name, n.At().String(), n.Port})
	}
	if wrong, ok := f.Wrong[d.name]; ok {
		j.Wrong = &wrong
	}
	if err := d.order(order{Job: j}); err != nil {
		return err
	}
	if err := d.await(ctx, d.ready); err != nil {
		return err
	}
	clock, err := f.dial(ctx, d, forClock)
	if err != nil {
		return err
	}
	for range firstLooks {
		if err := f.look(d, clock); err != nil {
			return fmt.Errorf("look at its clock: %w", err)
		}
	}
	f.running.Go(func() { f.watchClock(d, clock) })
	file, err := os.OpenFile(d.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	from, err := f.dial(ctx, d, forHistory)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.running.Go(func() { f.copy(d, from, file) })
	return nil
}

// dial makes a connection to a driver, as soon as that listens.
func (f *Fleet) dial(ctx context.Context, d *remote, kind byte) (net.Conn, error) {
	for {
		conn, err := d.node.DialServer(ctx, port)
		if err == nil {
			if _, err = conn.Write([]byte{kind}); err == nil {
				context.AfterFunc(f.ctx, func() { _ = conn.Close() })
				return conn, nil
			}
			_ = conn.Close()
		}
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil, fmt.Errorf("reach its process: %w", errors.Join(ctx.Err(), err))
		case <-pause.C:
		}
	}
}

// order sends an order. It never waits for long: the driver reads at once.
func (d *remote) order(o order) error {
	d.writes.Lock()
	defer d.writes.Unlock()
	_ = d.orders.SetWriteDeadline(time.Now().Add(cluster.DefaultLease))
	return d.out.Encode(o)
}

// await waits for something of a driver. A lost one has an error.
func (d *remote) await(ctx context.Context, what chan struct{}) error {
	select {
	case <-what:
		return nil
	case <-d.lost:
		select {
		case <-what:
			return nil
		default:
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.why
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *remote) close(which int, what chan struct{}) { d.once[which].Do(func() { close(what) }) }

func (d *remote) isLost() bool {
	select {
	case <-d.lost:
		return true
	default:
		return false
	}
}

// hear takes a driver's reports. That they end before it says that it has ended is the
// driver's loss.
func (f *Fleet) hear(d *remote) {
	ended := false
	err := receive(d.orders, func(r *report) bool {
		switch {
		case r.Ready:
			d.close(0, d.ready)
		case r.Filled != nil:
			d.once[1].Do(func() { d.loaded = *r.Filled; close(d.filled) })
		case r.Event != nil:
			f.pass(d, *r.Event)
		case r.Over != nil:
			d.once[2].Do(func() { d.size = r.Over.Size; close(d.over) })
		case r.Ended:
			ended = true
			if r.Error != "" {
				f.Log.Warn("a driver's history is not whole", "driver", d.name, "err", r.Error)
			}
			d.close(3, d.ended)
		case r.Error != "":
			f.lose(d, errors.New(r.Error))
			return false
		}
		return true
	})
	if !ended && f.ctx.Err() == nil {
		f.lose(d, fmt.Errorf("its process is gone: %w", err))
	}
}

// pass passes an event on, in the run's time as far as that is known by now.
func (f *Fleet) pass(d *remote, e history.Event) {
	d.mu.Lock()
	offset := d.offset
	d.mu.Unlock()
	for _, at := range []*int64{&e.At, &e.Until} {
		if *at != 0 {
			*at += offset
		}
	}
	if e.Demand != nil {
		e.Demand.Stop += offset
		for i := range e.Demand.Unsent {
			e.Demand.Unsent[i].From += offset
			e.Demand.Unsent[i].Until += offset
		}
	}
	f.Emit(e)
}

// lose gives a driver up. What it did that was not heard of stays unknown; the others go on.
func (f *Fleet) lose(d *remote, why error) {
	d.once[5].Do(func() {
		d.mu.Lock()
		d.why, d.lostAt = why, f.Clock.Now()
		if n := len(d.looks); n > 0 {
			d.lostAt = d.looks[n-1].Received
		}
		d.mu.Unlock()
		close(d.lost)
		select {
		case <-d.ready:
			f.Log.Warn("a driver was lost", "driver", d.name, "err", why)
			f.Emit(history.Event{At: f.Clock.Now(), Since: d.lostAt, Kind: history.EventDriver, Node: d.name, Name: history.DriverLost, Detail: why.Error()})
		default: // that is told by Start
		}
	})
}

// look looks at a driver's clock once.
func (f *Fleet) look(d *remote, conn net.Conn) error {
	_ = conn.SetDeadline(time.Now().Add(cluster.DefaultLease))
	answer := make([]byte, 8)
	sent := f.Clock.Now()
	if _, err := conn.Write([]byte{'?'}); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	l := clocks.Look{Sent: sent, Received: f.Clock.Now(), Clock: int64(binary.BigEndian.Uint64(answer))}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looks = append(d.looks, l)
	best := l
	for _, of := range d.looks[max(len(d.looks)-firstLooks, 0):] {
		if of.Received-of.Sent < best.Received-best.Sent {
			best = of
		}
	}
	d.offset = best.Sent + (best.Received-best.Sent)/2 - best.Clock
	return nil
}

// watchClock looks at a driver's clock until the run ends.
func (f *Fleet) watchClock(d *remote, conn net.Conn) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			return
		case <-d.lost:
			return
		}
		if err := f.look(d, conn); err != nil {
			select {
			case <-d.ended: // its process may have gone
			default:
				if f.ctx.Err() == nil {
					f.lose(d, fmt.Errorf("it does not answer: %w", err))
				}
			}
			return
		}
	}
}

// counted counts what is read.
type counted struct {
	from io.Reader
	to   io.Writer
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if n > 0 {
		if _, writeErr := c.to.Write(p[:n]); writeErr != nil {
			return n, writeErr
		}
	}
	return n, err
}

// copy keeps a driver's history as it comes, and shows it.
func (f *Fleet) copy(d *remote, from net.Conn, to *os.File) {
	defer d.close(4, d.copied)
	in := counted{from, to}
	r, err := history.NewReader(in, d.name)
	for err == nil {
		var ops []history.Op
		if ops, err = r.Next(); err == nil {
			f.show(d, ops)
			d.mu.Lock()
			d.tapped = r.Offset()
			d.mu.Unlock()
		}
	}
	whole := errors.Is(err, io.EOF) && r != nil && !r.Torn()
	err = errors.Join(to.Sync(), to.Close())
	d.mu.Lock()
	d.whole = whole && err == nil
	d.mu.Unlock()
	if !whole && f.ctx.Err() == nil {
		f.lose(d, errors.New("its history broke off"))
	}
}

// show shows operations to whoever looks at the run, and to the workloads.
func (f *Fleet) show(d *remote, ops []history.Op) {
	d.mu.Lock()
	offset := d.offset
	d.mu.Unlock()
	f.tapping.Lock()
	defer f.tapping.Unlock()
	for i := range ops {
		op := &ops[i]
		op.Intended, op.Start, op.End = op.Intended+offset, op.Start+offset, op.End+offset
		if int(op.Workload) < len(f.Workloads) {
			workloads.Tell(f.Workloads[op.Workload], op)
		}
	}
	if f.Tap != nil {
		f.Tap(ops)
	}
}

// Fill has every driver load its part of what is to be there before the load, and
// returns how many records that were.
func (f *Fleet) Fill(ctx context.Context) (records int, err error) {
	var errs []error
	f.each(order{Fill: true})
	for _, d := range f.all {
		err := d.await(ctx, d.filled)
		if err == nil && d.loaded.Error != "" {
			err = errors.New(d.loaded.Error)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.name, err))
			continue
		}
		records += d.loaded.Records
	}
	return records, errors.Join(errs...)
}

// each sends an order to every driver. One that cannot be reached is lost by other means.
func (f *Fleet) each(o order) {
	for _, d := range f.all {
		if !d.isLost() {
			_ = d.order(o)
		}
	}
}

// Drive has the drivers drive in a window of the run's clock, whose begin is still to
// come, and returns when all have done so or were lost. The end of ctx calls it off.
func (f *Fleet) Drive(ctx context.Context, w load.Window) {
	for _, d := range f.all {
		d.mu.Lock()
		offset := d.offset
		d.mu.Unlock()
		o := &window{Start: w.Start - offset, Measure: w.Measure - offset, Stop: w.Stop - offset, Grace: w.Grace - offset, Spans: w.Spans}
		if !d.isLost() {
			_ = d.order(order{Start: o})
		}
	}
	for _, d := range f.all {
		if err := d.await(ctx, d.over); err != nil {
			continue
		}
		f.shown(ctx, d)
	}
}

// shown waits until all of a driver's load was shown.
func (f *Fleet) shown(ctx context.Context, d *remote) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		d.mu.Lock()
		done := d.tapped >= d.size
		d.mu.Unlock()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-d.lost:
			return
		case <-d.copied:
			return
		}
	}
}

// Roles are what clients know of the nodes.
type Roles interface {
	Primary() int
	Replica(node int) bool
}

// Believe tells the drivers who the primary is whenever that changes, until ctx ends.
// changes counts how often roles have.
func (f *Fleet) Believe(ctx context.Context, roles Roles, changes func() uint64) {
	tick := time.NewTicker(beliefEvery)
	defer tick.Stop()
	for last := (*belief)(nil); ; {
		now := &belief{Changes: changes(), Primary: roles.Primary(), Replicas: make([]bool, len(f.Targets))}
		for i := range now.Replicas {
			now.Replicas[i] = roles.Replica(i)
		}
		if last == nil || last.Changes != now.Changes || last.Primary != now.Primary || !slices.Equal(last.Replicas, now.Replicas) {
			f.each(order{Belief: now})
			last = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// End has the drivers end whatever goes on and send all of their histories. It waits for
// them as long as what is under way may take.
func (f *Fleet) End(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout+f.Plan.Timeouts.Connect+f.Plan.Timeouts.Operation)
	defer cancel()
	f.each(order{Stop: true})
	for _, d := range f.all {
		if err := errors.Join(d.await(ctx, d.ended), d.await(ctx, d.copied)); err != nil {
			f.lose(d, fmt.Errorf("it did not come to its end: %w", err))
		}
	}
	time.Sleep(lastLooks * lookEvery) // all that was recorded is before looks at the clock
	f.Close()
}

// Close lets go of the drivers: their processes end.
func (f *Fleet) Close() {
	f.cancel()
	f.running.Wait()
}
