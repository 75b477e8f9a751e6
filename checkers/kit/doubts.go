package kit

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Doubts are the stretches of a run in which times were not the system's alone:
// the harness or a node did not run as it should, as the events tell. What was
// done counts all the same; how long it took is known by bounds only.
//
// A short stall of the harness can have put off what happened by its own length,
// and by as much again for what had to be made up. After a long one, or when a node
// stood still, nothing is like it would have been.
type Doubts struct {
	stretches []doubt // disjoint, in order
	why       string
	chains    [256][]chain // by workload and worker
}

// chain is a client's operations of which each waited for the one before, from
// one in doubt on.
type chain struct{ since, end int64 }

// doubt is one stretch.
type doubt struct {
	Stretch
	long bool
}

// shortStall bounds the stalls of the harness that are short: connections and
// leases outlive them, and so do the time-outs of most operations.
const shortStall = int64(500 * time.Millisecond)

// DoubtsOf reads a log's events.
func DoubtsOf(log *history.Log) *Doubts {
	d := &Doubts{}
	told := DoubtEvents(log)
	for _, e := range told {
		s := Stretch{e.At, max(e.At, e.Until)}
		d.stretches = append(d.stretches, doubt{s, e.By != "" && !drives(log, e.By) || Span(s.End, s.Begin) > shortStall})
	}
	slices.SortFunc(d.stretches, func(a, b doubt) int { return cmp.Compare(a.Begin, b.Begin) })
	joined := d.stretches[:0]
	for _, s := range d.stretches {
		if n := len(joined); n > 0 && s.Begin <= joined[n-1].End {
			last := &joined[n-1]
			last.End = max(last.End, s.End)
			last.long = last.long || s.long || Span(last.End, last.Begin) > shortStall
			continue
		}
		joined = append(joined, s)
	}
	d.stretches = joined
	const shown = 2
	var words []string
	for _, e := range told[:min(len(told), shown)] {
		words = append(words, DoubtWords(e))
	}
	if more := len(told) - shown; more > 0 {
		words = append(words, "and "+units.Plural(more, "more time", "more times"))
	}
	d.why = strings.Join(words, "; ")
	return d
}

// drives tells whether somebody is a driver of the load: what stalls it is like what stalls
// the harness.
func drives(log *history.Log, name string) bool {
	return slices.ContainsFunc(log.Meta.Drivers, func(d history.Driver) bool { return d.Name == name })
}

// DoubtEvents are a log's events that tell of doubt, the longest first.
func DoubtEvents(log *history.Log) []*history.Event {
	var all []*history.Event
	for i := range log.Events {
		if e := &log.Events[i]; e.Kind == history.EventUntrusted {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b *history.Event) int {
		return cmp.Or(cmp.Compare(Span(b.Until, b.At), Span(a.Until, a.At)), cmp.Compare(a.At, b.At))
	})
	return all
}

// DoubtWords says who did not run as it should: "the harness was asleep for 2.01s
// at 4.1s", "n2 did not answer for 1.2s at 3s".
func DoubtWords(e *history.Event) string {
	return fmt.Sprintf("%s %s for %s at %s", cmp.Or(e.By, "the harness"), cmp.Or(e.Detail, "did not run as it should"),
		units.Nanos(max(Span(e.Until, e.At), 0)), units.Instant(e.At))
}

// Any tells whether there is any doubt.
func (d *Doubts) Any() bool { return len(d.stretches) > 0 }

// Why says what the doubts come from; empty where there are none.
func (d *Doubts) Why() string { return d.why }

// Touch tells whether a stretch of doubt and the time from begin to end have an
// instant in common.
func (d *Doubts) Touch(begin, end int64) bool {
	_, ok := d.first(begin, end)
	return ok
}

// Sure is what is sure of the time from begin to end: how long it would have been
// at least without what is in doubt. Without doubt it is all of it.
func (d *Doubts) Sure(begin, end int64) int64 {
	lost := int64(0)
	for i := d.search(begin); i < len(d.stretches) && d.stretches[i].Begin <= end; i++ {
		s := &d.stretches[i]
		if s.long {
			end = max(s.Begin, begin)
			break
		}
		lost += Span(min(s.End, end), max(s.Begin, begin))
	}
	return max(Span(end, begin)-2*lost, 0)
}

// LongestFree is the longest part of the time from begin to end without doubt.
func (d *Doubts) LongestFree(begin, end int64) int64 {
	longest := int64(0)
	for i := d.search(begin); i < len(d.stretches) && d.stretches[i].Begin <= end; i++ {
		longest, begin = max(longest, Span(d.stretches[i].Begin, begin)), max(d.stretches[i].End, begin)
	}
	return max(longest, Span(end, begin))
}

// first is the first stretch that touches the time from begin to end.
func (d *Doubts) first(begin, end int64) (doubt, bool) {
	i := d.search(begin)
	if i == len(d.stretches) || d.stretches[i].Begin > end {
		return doubt{}, false
	}
	return d.stretches[i], true
}

// search is the index of the first stretch that ends at a time or later.
func (d *Doubts) search(at int64) int {
	if len(d.stretches) == 0 {
		return 0
	}
	return sort.Search(len(d.stretches), func(i int) bool { return d.stretches[i].End >= at })
}

// Within is how much of a stretch is in doubt.
func (d *Doubts) Within(whole Stretch) int64 {
	sum := int64(0)
	for _, s := range d.stretches {
		if begin, end := max(s.Begin, whole.Begin), min(s.End, whole.End); begin < end {
			sum += Span(end, begin)
		}
	}
	return sum
}

// Op tells whether an operation's times are in doubt, and how long it would have
// taken at least from its intended start: it waited or was under way in a stretch
// of doubt, or it waited for an operation of its own client of which that is true.
// One that did not succeed is in doubt only if it had clearly less time than it
// should have had. It is to be called for all operations, in order of
// history.Less.
func (d *Doubts) Op(op *history.Op) (least int64, doubted bool) {
	if len(d.stretches) == 0 {
		return 0, false
	}
	begin, end, chains := min(op.Intended, From(op)), Until(op), d.chains[op.Workload]
	since, n := begin, int(op.Worker)+1
	if n <= len(chains) && op.Intended < op.Start && op.Intended < chains[n-1].end {
		since = min(begin, chains[n-1].since)
	} else if !d.Touch(begin, end) {
		return d.Sure(begin, end), false
	}
	lost := Span(end, since) - d.Sure(since, end)
	if n > len(chains) {
		chains = append(chains, slices.Repeat([]chain{{Beginning, Beginning}}, n-len(chains))...)
		d.chains[op.Workload] = chains
	}
	chains[n-1] = chain{since, end}
	least = max(Span(end, begin)-lost, d.Sure(From(op), end))
	return least, op.Outcome == history.OK || d.Sure(From(op), end) < Span(end, From(op))/4*3
}
