package demand

import (
	"cmp"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads/pace"
)

// Worker is one worker of a workload at the end of the load.
type Worker struct {
	Pacer   pace.Pacer // nil: a closed loop
	Next    uint64     // number of the first operation that was not sent
	Backlog *Backlog
}

// Window is when a load was, in readings of the run's clock.
type Window struct {
	Start   int64   // of the load
	Measure int64   // of the measured phase
	Stop    int64   // no operation was intended at or after it
	Grace   int64   // no operation was sent at or after it, however late it was
	Cuts    []int64 // times that no entry of what was not sent goes across
}

// mostSlices bounds the entries of one workload that tell when operations that
// were not sent had been intended.
const mostSlices = 400

// Of is how much of a workload was asked for, and what of it was not sent; over
// is when the load was, with the time for what was late.
func Of(kinds []history.Kind, workers []Worker, w Window) (over int64, d *history.Demand) {
	over, d = w.Stop, &history.Demand{Stop: w.Stop}
	for _, kind := range kinds {
		if kind.Load() && kind != history.Drain {
			d.Kinds = append(d.Kinds, kind.String())
		}
	}
	var left, given pieces
	paced := false
	for i := range workers {
		worker := &workers[i]
		if worker.Pacer == nil {
			d.Closed = true
			continue
		}
		paced = true
		first := pace.Skip(worker.Pacer, 0, min(w.Measure, w.Stop)-w.Start)
		stop := pace.Skip(worker.Pacer, 0, w.Stop-w.Start)
		d.Asked += int64(stop) - int64(first)
		left.add(worker.Pacer, drop{worker.Next, stop, 0}, w)
		for _, row := range worker.Backlog.dropped {
			row.next = min(row.next, stop)
			given.add(worker.Pacer, row, w)
		}
	}
	if len(left.of) > 0 {
		over = w.Grace
	}
	d.Unsent = append(left.list(false), given.list(true)...)
	slices.SortStableFunc(d.Unsent, func(a, b history.Unsent) int { return cmp.Compare(a.From, b.From) })
	if paced {
		d.Own = ownOf(workers)
	}
	return over, d
}

// pieces gathers what was not sent by when it had been intended.
type pieces struct{ of map[int64]*history.Unsent }

// add takes a row of one worker's operations.
func (p *pieces) add(pacer pace.Pacer, row drop, w Window) {
	for n := row.first; n < row.next; {
		from := w.Start + pacer(n)
		end := w.after(from)
		next := min(max(pace.Skip(pacer, n, end-w.Start), n+1), row.next)
		until := w.Start + pacer(next-1)
		waited := max(row.at-until, 0)
		if p.of == nil {
			p.of = map[int64]*history.Unsent{}
		}
		u := p.of[end]
		if u == nil {
			u = &history.Unsent{From: from, Until: until, Waited: waited}
			p.of[end] = u
		}
		u.From, u.Until, u.Waited = min(u.From, from), max(u.Until, until), min(u.Waited, waited)
		u.Count += int64(next - n)
		n = next
	}
}

// after is the end of the slice of time that a time is in.
func (w *Window) after(at int64) int64 {
	width := (w.Stop-w.Start)/mostSlices + 1
	end := w.Start + ((at-w.Start)/width+1)*width
	for _, cut := range append([]int64{w.Measure}, w.Cuts...) {
		if at < cut && cut < end {
			end = cut
		}
	}
	return end
}

func (p *pieces) list(skipped bool) []history.Unsent {
	var all []history.Unsent
	for _, u := range p.of {
		if u.Skipped = skipped; !skipped {
			u.Waited = 0
		}
		all = append(all, *u)
	}
	return all
}

// ownOf adds up what the harness itself was late.
func ownOf(workers []Worker) *history.Own {
	own, counts := &history.Own{}, [len(lateness{}.counts)]int64{}
	for i := range workers {
		if workers[i].Pacer == nil {
			continue
		}
		l := &workers[i].Backlog.own
		for k, n := range l.counts {
			counts[k] += int64(n)
			own.Sent += int64(n)
		}
		own.Late, own.Max = own.Late+l.late, max(own.Max, l.max)
	}
	seen := int64(0)
	for k, n := range counts {
		if seen += n; n > 0 && seen*100 >= own.Sent*99 {
			own.P99 = min(above(k)-1, own.Max)
			break
		}
	}
	return own
}
