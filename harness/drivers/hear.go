package drivers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/clocks"
	"github.com/aftershock-chaos/aftershock/workloads"
)

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
		d.mu.Lock()
		if d.from != nil {
			_ = d.from.Close() // whoever reads it goes on with what is on the disk
		}
		d.mu.Unlock()
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

// copy keeps a driver's history as it comes, and shows it.
func (f *Fleet) copy(d *remote, from net.Conn, to *os.File) {
	defer d.close(4, d.copied)
	in := &spooled{fleet: f, driver: d, from: from, to: to}
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
			d.courses[op.Workload].take(op, max(f.Workloads[op.Workload].Spec().Pipeline, 1))
		}
	}
	if f.Tap != nil {
		f.Tap(ops)
	}
}
