package history

import "math"

// extents are the times between which a log's operations lie.
type extents struct {
	end     int64  // of the last operation; 0 if there is none
	clients extent // see Log.ClientSpan
	load    extent // see Log.LoadSpan
}

// extent is a time that something takes.
type extent struct {
	first, last int64
	any         bool
}

func (e *extent) extend(first, last int64) {
	if !e.any {
		e.first, e.last, e.any = math.MaxInt64, math.MinInt64, true
	}
	e.first, e.last = min(e.first, first), max(e.last, last)
}

func (e *extents) add(op *Op) {
	e.end = max(e.end, op.End)
	if op.Final() {
		return
	}
	if op.Flags&Warmup == 0 {
		e.clients.extend(min(op.Start, op.End), max(op.Start, op.End))
	}
	if op.Load() {
		e.load.extend(op.Intended, max(op.End, op.Intended))
	}
}

// extents are known of a log on disk, and found anew for one in memory.
func (l *Log) extents() extents {
	if l.stored != nil {
		return l.stored.extents
	}
	var e extents
	for i := range l.Ops {
		e.add(&l.Ops[i])
	}
	return e
}

// ClientSpan is the time from the start of the first to the end of the last
// operation that is neither of the warm-up nor a final read; 0 if there is none.
func (l *Log) ClientSpan() (begin, end int64) {
	e := l.extents().clients
	return e.first, e.last
}

// LoadSpan is the time from when the first operation of the load was intended
// to the end of the last, final reads aside; any is false if there is none.
func (l *Log) LoadSpan() (first, last int64, any bool) {
	e := l.extents().load
	return e.first, e.last, e.any
}
