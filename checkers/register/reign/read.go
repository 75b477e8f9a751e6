package reign

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

const (
	// startup is less than a server takes from its start to its first answer, and
	// more than the clocks of nodes and harness differ by.
	startup = int64(10 * time.Millisecond)
	// unpolled is how long before a change of role was seen it can have been, where
	// the event does not tell: more than a poll and its time-out.
	unpolled = int64(time.Second)
	// hitAfter bounds how long before a fault a node was last asked, for it to have
	// been the primary until then.
	hitAfter = int64(100 * time.Millisecond)
	// Promoting takes no longer, and re-pointing; see the harness' operator.
	promoting  = int64(5 * time.Second)
	rePointing = int64(15 * time.Second)
)

const rolePrimary = "primary"

// reader goes through the events in order of time.
type reader struct {
	r       *Reigns
	nodes   []node
	index   map[string]int
	faults  map[string]*fault
	began   bool           // the load has
	settled int64          // when the final reads began; Never: they did not
	ruled   map[uint64]int // by epoch: the node that was the first to be its primary
	double  int64          // since when there are two primaries; Never: there are not
	ids     int32
}

// node is what the events so far tell of one.
type node struct {
	name  string
	asked bool // it has told a role
	role  string
	epoch uint64
	hit   int64 // when the latest fault hit it
	down  int   // faults that keep its server from running
	died  int64 // when the latest fault killed its server at once; kit.Never: it did not
	from  int64 // begin of its life, if it is the primary
	begin int64 // and the earliest that this can have been
	last  int64 // its last event

	left    bool // it does not belong to the cluster any more
	process int  // how many of its servers are known to have ended
}

// fault is one that is in force.
type fault struct {
	window  Window
	hits    bool // it can make the system forget
	stops   bool // it ends its victims' servers
	victims []string
}

// Read reads a log's events.
func Read(log *history.Log) *Reigns {
	r := &Reigns{Last: kit.Beginning, final: kit.None, lives: make([][]life, len(log.Meta.Nodes))}
	d := &reader{r: r, nodes: make([]node, len(log.Meta.Nodes)), index: map[string]int{}, faults: map[string]*fault{}, ruled: map[uint64]int{}, settled: kit.Never, double: kit.Never}
	for i, name := range log.Meta.Nodes {
		d.nodes[i] = node{name: name, last: kit.Beginning, hit: kit.Beginning, died: kit.Never, begin: kit.Beginning}
		d.index[name] = i
	}
	events := slices.Clone(log.Events)
	slices.SortStableFunc(events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
	for i := range events {
		r.Known = r.Known || events[i].Kind == history.EventRole
		r.peers = r.peers || events[i].Kind == history.EventRole && events[i].Detail != rolePrimary
	}
	r.peers = r.peers && !slices.ContainsFunc(events, func(e history.Event) bool { return e.Kind == history.EventRole && e.Detail == rolePrimary })
	if !r.Known {
		return r
	}
	for i := range events {
		d.take(&events[i])
	}
	d.finish()
	return r
}

func (d *reader) take(e *history.Event) {
	switch e.Kind {
	case history.EventPhase:
		d.began = d.began || e.Detail == "warmup" || e.Detail == "measure"
		if e.Detail == "final" {
			d.settled = e.At
		}
	case history.EventFault:
		d.fault(e)
	case history.EventHeal:
		d.heal(e)
	case history.EventFailover:
		d.r.led = true
		after := since(e, e.At-promoting)
		d.window(after, e.At, "the failover at "+units.Instant(e.At))
		d.r.windows[len(d.r.windows)-1].failover = true
		d.promoted(e, after)
	}
	i, ok := d.index[e.Node]
	if !ok {
		return
	}
	n := &d.nodes[i]
	begin := e.At
	switch e.Kind {
	case history.EventRole:
		begin = d.role(i, e)
	case history.EventRejoin:
		begin = since(e, e.At-rePointing)
		d.window(begin, e.At, fmt.Sprintf("%s gave its own history up at %s", n.name, units.Instant(e.At)))
		d.end(i, begin, e.At)
		n.role = ""
	case history.EventMember:
		d.member(i, e)
	case history.EventPlace: // which may have started it again
		n.died = kit.Never
		return
	case history.EventExit:
		if e.Cause == history.ByFault && e.Detail == history.Killed && e.At >= n.hit && e.At-n.hit < hitAfter {
			n.died = n.hit
		}
		if n.left {
			d.leave(i, e.At)
		} else if n.down == 0 && d.serves(n) {
			d.window(e.At, e.At+startup, fmt.Sprintf("the end of %s at %s", n.name, units.Instant(e.At)))
			d.cut(i, e.At, e.At+startup)
		}
	default:
		return
	}
	n.last = max(n.last, e.At)
	d.count(begin, e.At)
}

// since is after what an event happened; of one that does not tell, by default.
func since(e *history.Event, byDefault int64) int64 {
	if e.Since == 0 || e.Since > e.At {
		return byDefault
	}
	return e.Since
}

// serves tells whether what a node acknowledges may be there and nowhere else.
func (d *reader) serves(n *node) bool { return d.r.peers || n.role == rolePrimary }

// role takes that a node has another role, or the same in another epoch, since
// some instant after the one that is returned.
func (d *reader) role(i int, e *history.Event) (after int64) {
	n := &d.nodes[i]
	after = since(e, max(n.last, e.At-unpolled))
	if n.asked || d.began {
		text := fmt.Sprintf("%s becoming %s at %s", n.name, e.Detail, units.Instant(e.At))
		if e.Detail == rolePrimary {
			text = fmt.Sprintf("the failover to %s at %s", n.name, units.Instant(e.At))
		}
		d.window(after, e.At, text)
		d.r.windows[len(d.r.windows)-1].failover = e.Detail == rolePrimary
	}
	if first, known := d.ruled[n.epoch]; n.role == rolePrimary && n.from < kit.Never && e.Detail == rolePrimary && e.Epoch > n.epoch && known && first != i {
		// It was seen in the epoch of the primary before, and has its own now: it had
		// just become the primary when it was asked.
		n.epoch = e.Epoch
		d.rules(i)
		return after
	}
	ended := after
	if n.hit > after && n.hit < e.At && n.hit-after < hitAfter && (e.Detail != rolePrimary || len(d.nodes) == 1) { // else it was none, and one again
		ended = n.hit
	}
	if n.role != rolePrimary || n.from != kit.Never || e.Detail != rolePrimary { // else it is that its clients know now
		d.end(i, ended, e.At)
	}
	said := after
	if len(d.nodes) == 1 { // nobody else could have been the primary
		said = ended
	}
	for j := range d.r.lives[i] {
		l := &d.r.lives[i][j]
		l.said, l.to = min(l.said, said), min(l.to, ended) // a life that was cut since may have been another already
	}
	n.asked, n.role, n.epoch = true, e.Detail, e.Epoch
	if n.role == rolePrimary {
		if n.from = e.At; after < n.begin || n.begin == kit.Beginning {
			n.begin = after
		}
		d.rules(i)
	}
	return after
}

// rules takes that a node is the primary of its epoch.
func (d *reader) rules(i int) {
	if _, known := d.ruled[d.nodes[i].epoch]; !known {
		d.ruled[d.nodes[i].epoch] = i
	}
}

// promoted takes that a node was made the primary. Its life begins when its
// clients know.
func (d *reader) promoted(e *history.Event, after int64) {
	i, ok := d.index[e.Node]
	if !ok || d.nodes[i].role == rolePrimary && d.nodes[i].from >= after && d.nodes[i].from < kit.Never {
		return // they know already
	}
	d.end(i, after, e.At) // that it had ceased to be the primary was not seen
	d.nodes[i].role, d.nodes[i].from, d.nodes[i].begin = rolePrimary, kit.Never, after
	d.count(after, e.At)
}

// end ends the life of a node, no earlier than at and no later than until.
func (d *reader) end(i int, at, until int64) { d.over(i, at, until, kit.Never) }

// cut ends the life of a node at to, with its server, and has the next begin at from.
func (d *reader) cut(i int, to, from int64) {
	d.over(i, to, to, from)
	d.nodes[i].process++
}

// killed has the life that a node was cut in, if it was the primary, end with the
// server that a fault killed, which was kept from running until healed.
func (d *reader) killed(i int, healed int64) {
	if last := len(d.r.lives[i]) - 1; last >= 0 && d.r.lives[i][last].until == healed {
		d.r.lives[i][last].died = d.nodes[i].died
	}
}

// over ends the life of a node between to and until, and has the next begin at
// from. One of which no instant is certain belongs to nobody, and is there for what
// it could have taken.
func (d *reader) over(i int, to, until, from int64) {
	n := &d.nodes[i]
	if n.role != rolePrimary {
		n.begin = kit.Beginning
		return
	}
	l := life{from: n.from, to: to, said: to, id: d.ids, begin: n.begin, until: until, process: n.process, died: kit.Never}
	if to <= n.from { // or its clients were not seen to know; the next may begin at once
		l.from, l.to, l.said = until, until-1, kit.Beginning
	}
	if last := len(d.r.lives[i]) - 1; last < 0 || l.to >= d.r.lives[i][last].to && l.from >= d.r.lives[i][last].from {
		d.r.lives[i] = append(d.r.lives[i], l)
	} else {
		d.r.lives[i][last].until = kit.Beginning // which of them took a write is not known
	}
	d.ids++
	n.from, n.begin = max(n.from, from), to
}

func (d *reader) window(begin, end int64, text string) {
	d.r.windows = append(d.r.windows, Window{Begin: begin, End: end, Text: text})
}

// finish takes the end of the events.
func (d *reader) finish() {
	r := d.r
	for _, f := range d.faults {
		if len(f.victims) > 0 {
			f.window.End = kit.Never
		}
		d.close(f)
	}
	if d.double != kit.Never {
		d.window(d.double, kit.Never, "two primaries from "+units.Instant(d.double)+" on")
	}
	ruler := -1
	for i := range d.nodes {
		n := &d.nodes[i]
		if n.role == rolePrimary && n.from == kit.Never { // its clients were not seen to know
			r.lives[i] = append(r.lives[i], life{from: kit.Never, to: kit.Never, said: kit.Beginning, id: d.ids, begin: n.begin, until: kit.Never, process: n.process, died: kit.Never})
			d.ids++
		}
		if n.role == rolePrimary && n.from < kit.Never {
			last := life{from: n.from, to: kit.Never, said: kit.Never, id: d.ids, begin: n.begin, until: kit.Never, process: n.process, died: kit.Never}
			if d.double != kit.Never {
				last.said = n.from // it may have ceased to be, and was not asked
			}
			r.lives[i] = append(r.lives[i], last)
			if n.down == 0 {
				ruler = i
				r.final = d.ids
			}
			d.ids++
		}
	}
	for i := range r.windows {
		if w := &r.windows[i]; r.peers && w.End == kit.Never && d.settled > w.Begin {
			w.End = d.settled
		}
		r.Last = max(r.Last, r.windows[i].End)
	}
	if ruler < 0 || r.Last == kit.Never {
		r.final = kit.None
	}
	d.calm()
}

// calm finds the times between the windows.
func (d *reader) calm() {
	r := d.r
	slices.SortStableFunc(r.windows, func(a, b Window) int { return cmp.Compare(a.Begin, b.Begin) })
	begin := kit.Beginning
	for i := range r.windows {
		w := &r.windows[i]
		if w.Begin > begin {
			r.calms = append(r.calms, kit.Stretch{Begin: begin, End: w.Begin - 1})
		}
		if w.End == kit.Never {
			begin = kit.Never
			break
		}
		begin = max(begin, w.End+1)
	}
	if begin < kit.Never {
		r.calms = append(r.calms, kit.Stretch{Begin: begin, End: kit.Never})
	}
	slices.SortStableFunc(r.windows, func(a, b Window) int { return cmp.Compare(a.End, b.End) })
}
