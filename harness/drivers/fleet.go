package drivers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
)

const (
	// startTimeout bounds the start of the drivers, up to their being ready; the binary may
	// have to be brought to a host.
	startTimeout = time.Minute
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
	// Objects and Keys are of a deployment that somebody else runs: what the run's own
	// objects there are called, and how clients come in.
	Objects string
	Keys    attached.Keys
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
		d := &remote{index: i, name: n.Name, node: n, path: filepath.Join(crew.Dir, n.Name+filepath.Ext(history.FileName)), courses: newCourses(crew.Workloads, len(crew.Targets))}
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
	j := &job{Plan: text, Name: d.name, Index: d.index, Count: len(f.all), Run: f.Run, Objects: f.Objects, Keys: f.Keys}
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
	d.mu.Lock()
	d.from = from
	d.mu.Unlock()
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
		d.began = max(w.Start-offset-int64(Lead), 1)
		d.mu.Unlock()
		o := &window{Start: w.Start - offset, Measure: w.Measure - offset, Stop: w.Stop - offset, Grace: w.Grace - offset, Spans: w.Spans}
		if !d.isLost() {
			_ = d.order(order{Start: o})
		}
	}
	for _, d := range f.all {
		if err := d.await(ctx, d.over); err != nil {
			f.salvaged(ctx, d)
			continue
		}
		f.shown(ctx, d)
	}
}

// salvaged waits until all that can be had of a lost driver was shown: final reads are of
// what was written.
func (f *Fleet) salvaged(ctx context.Context, d *remote) {
	select {
	case <-d.copied:
	case <-ctx.Done():
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

// Believe tells the drivers who the primary is, and where the nodes are, whenever that
// changes, until ctx ends.
// changes counts how often roles have.
func (f *Fleet) Believe(ctx context.Context, roles Roles, changes func() uint64) {
	tick := time.NewTicker(beliefEvery)
	defer tick.Stop()
	for last := (*belief)(nil); ; {
		now := &belief{Changes: changes(), Primary: roles.Primary(), Replicas: make([]bool, len(f.Targets))}
		for i, n := range f.Targets {
			now.Replicas[i] = roles.Replica(i)
			now.Addrs = append(now.Addrs, n.At().String())
		}
		if !now.equal(last) {
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

func (b *belief) equal(other *belief) bool {
	return other != nil && b.Changes == other.Changes && b.Primary == other.Primary && slices.Equal(b.Replicas, other.Replicas) && slices.Equal(b.Addrs, other.Addrs)
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
			f.salvaged(ctx, d)
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
