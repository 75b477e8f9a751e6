package timeline

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
)

// state is what a node, or the clients, are like for a while.
type state string

const (
	primary  state = "primary"
	replica  state = "replica"
	peer     state = "peer"     // a node of a system in which all are alike
	thought  state = "thought"  // it took itself for the primary when another had become it
	paused   state = "paused"   // its processes stand still
	down     state = "down"     // no server runs
	cut      state = "cut"      // a partition keeps it from others
	catching state = "catching" // it is back, and lacks what was acknowledged meanwhile
	served   state = "served"   // clients: acknowledged, and nothing else
	some     state = "some"     // clients: some acknowledged, others not
	refused  state = "refused"  // clients: none acknowledged
)

// lane is one row of the timeline.
type Lane struct {
	Name     string    `json:"name"`
	Segments []Segment `json:"segments"`
}

// segment is a part of a lane, in seconds of the run's clock.
type Segment struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	State state   `json:"state"`
	Label string  `json:"label"`
}

// interval is a part of the run's clock.
type interval struct{ from, to int64 }

func (i interval) has(at int64) bool { return i.from <= at && at < i.to }

func anyHas(all []interval, at int64) bool {
	return slices.ContainsFunc(all, func(i interval) bool { return i.has(at) })
}

// nodeStory is what happened to one node.
type nodeStory struct {
	roles                              []history.Event // of it, by time
	down, paused, cut, ended, catching []interval
	waiting                            []interval      // it was down, and has not told its role yet
	others                             []history.Event // by which other nodes became the primary
}

// nodeLanes are a lane for each node.
func nodeLanes(log *history.Log, l *lagging, last int64) []Lane {
	events := slices.Clone(log.Events)
	slices.SortStableFunc(events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
	windows := log.Windows()
	var lanes []Lane
	for i, node := range log.Meta.Nodes {
		s := storyOf(node, events, windows, last)
		s.catchUp(i, l, last)
		lanes = append(lanes, Lane{Name: node, Segments: s.segments(last)})
	}
	return lanes
}

// storyOf gathers the events of a node, which are by time.
func storyOf(node string, events []history.Event, windows []history.Window, last int64) *nodeStory {
	s := &nodeStory{}
	for i := range events {
		e := &events[i]
		role := e.Kind == history.EventRole || e.Kind == history.EventFailover
		switch {
		case role && e.Node == node:
			s.roles = append(s.roles, *e)
		case kit.Became(e):
			s.others = append(s.others, *e)
		}
	}
	for i := range windows {
		w := &windows[i]
		if !slices.Contains(w.Nodes, node) {
			continue
		}
		kind, _ := faults.Lookup(history.FaultKind(w.Name))
		span := interval{w.Begin, w.End}
		switch {
		case kind.Hold == faults.Down:
			s.down = append(s.down, span)
		case kind.Hold == faults.Paused:
			s.paused = append(s.paused, span)
		case kind.Done == "partitioned":
			s.cut = append(s.cut, span)
		default:
			continue
		}
		s.ended = append(s.ended, interval{w.End, w.End})
	}
	for i := range events {
		if e := &events[i]; e.Kind == history.EventExit && e.Node == node && !byFault(e, s.down) {
			back := s.nextRole(e.At, last)
			s.down = append(s.down, interval{e.At, back})
			s.ended = append(s.ended, interval{back, back})
		}
	}
	return s
}

// nextRole is when the node next told a role.
func (s *nodeStory) nextRole(at, last int64) int64 {
	for i := range s.roles {
		if s.roles[i].At > at && s.roles[i].Kind == history.EventRole {
			return s.roles[i].At
		}
	}
	return last
}

// catchUp adds for how long the node lacked something after it was back: until it told
// its role, and had shown what was acknowledged before, as far as anything tells.
func (s *nodeStory) catchUp(node int, l *lagging, last int64) {
	for _, e := range s.ended {
		if e.from >= last {
			continue
		}
		until := e.from
		if next := s.firstWord(e.from); anyHas(s.down, e.from-1) && !s.downWithin(e.from, next) {
			until = next
			s.waiting = append(s.waiting, interval{e.from, next})
		}
		if s.roleAt(max(until, e.from)) != primary {
			if when, ok := l.caughtUp(node, e.from); ok {
				until = max(until, when)
			}
		}
		if until > e.from {
			s.catching = append(s.catching, interval{e.from, min(until, last)})
		}
	}
}

// firstWord is when the node, back at an instant, first told its role; the instant itself
// where the events do not tell. A role that the node took later came after a look that
// found it in the one before: Since tells of the look.
func (s *nodeStory) firstWord(at int64) int64 {
	for i := range s.roles {
		if e := &s.roles[i]; e.At > at && e.Kind == history.EventRole {
			if e.Since > at {
				return at
			}
			return e.At
		}
	}
	return at
}

// downWithin tells whether the node went down again between two instants.
func (s *nodeStory) downWithin(from, to int64) bool {
	return slices.ContainsFunc(s.down, func(i interval) bool { return from <= i.from && i.from < to })
}

// roleAt is the role that the node had last told.
func (s *nodeStory) roleAt(at int64) state {
	role := state("")
	for i := range s.roles {
		e := &s.roles[i]
		if e.At > at {
			break
		}
		switch {
		case kit.Became(e):
			role = primary
		case e.Detail == string(replica) || e.Detail == string(peer):
			role = state(e.Detail)
		}
	}
	if role == primary && s.deposed(at) {
		return thought
	}
	return role
}

// deposed tells whether another node had become the primary since this one did.
func (s *nodeStory) deposed(at int64) bool {
	since, epoch := int64(math.MinInt64), uint64(0)
	for i := range s.roles {
		if e := &s.roles[i]; e.At <= at && kit.Became(e) && (e.At > since || e.Epoch > epoch) {
			since, epoch = e.At, max(epoch, e.Epoch)
		}
	}
	return slices.ContainsFunc(s.others, func(e history.Event) bool {
		return e.At <= at && (e.Epoch > epoch || e.Epoch == epoch && e.At > since)
	})
}

// at is the state at an instant, with what there is to say of it.
func (s *nodeStory) at(at int64) (state, string) {
	role := s.roleAt(at)
	words := map[state]string{thought: "thought it was primary", "": ""}
	name, ok := words[role]
	if !ok {
		name = string(role)
	}
	switch {
	case anyHas(s.down, at):
		return down, "down"
	case anyHas(s.paused, at):
		return paused, strings.TrimSuffix("paused, "+name, ", ")
	case anyHas(s.waiting, at):
		return catching, "catching up"
	case role == thought && anyHas(s.cut, at):
		return thought, name + ", cut off"
	case role == thought:
		return thought, name
	case anyHas(s.cut, at):
		return cut, strings.TrimSuffix("cut off, "+name, ", ")
	case anyHas(s.catching, at):
		return catching, "catching up"
	}
	return role, name
}

// segments are the lane: wherever something begins or ends a new one may.
func (s *nodeStory) segments(last int64) []Segment {
	marks := []int64{0, last}
	for _, all := range [...][]interval{s.down, s.paused, s.cut, s.catching} {
		for _, i := range all {
			marks = append(marks, i.from, i.to)
		}
	}
	for _, events := range [...][]history.Event{s.roles, s.others} {
		for i := range events {
			marks = append(marks, events[i].At)
		}
	}
	slices.Sort(marks)
	marks = slices.Compact(marks)
	segments := []Segment{}
	for i, from := range marks {
		if from < 0 || from >= last || i+1 >= len(marks) {
			continue
		}
		st, label := s.at(from)
		to := float64(min(marks[i+1], last)) / 1e9
		if n := len(segments); n > 0 && segments[n-1].State == st && segments[n-1].Label == label {
			segments[n-1].To = to
			continue
		}
		segments = append(segments, Segment{float64(from) / 1e9, to, st, label})
	}
	return slices.DeleteFunc(segments, func(s Segment) bool { return s.State == "" })
}

// leastSilence is for how long, in nanoseconds, nothing has to be acknowledged before a lane
// of the clients says so where something else came of operations meanwhile. Where nothing
// did, it is usualSilences times as long as it usually is from one acknowledgement to the
// next, if that is more: at a rate that is random, one in 160,000 is longer.
const (
	leastSilence  = 100e6
	usualSilences = 12
)

// clientLanes are a lane for what writes and reads of clients came to.
func clientLanes(o *overTime) []Lane {
	if o == nil {
		return nil
	}
	var lanes []Lane
	for g := writes; g >= reads; g-- {
		if l := clientLane(g, o); len(l.Segments) > 0 {
			lanes = append(lanes, l)
		}
	}
	return lanes
}

func clientLane(g group, o *overTime) Lane {
	bins, l := o.bins[g], Lane{Name: g.String()}
	begin, end := 0, len(bins)
	for begin < end && bins[begin].empty() {
		begin++
	}
	for end > begin && bins[end-1].empty() {
		end--
	}
	acknowledged := 0.0
	for i := begin; i < end; i++ {
		acknowledged += float64(bins[i].ok)
	}
	silence := max(leastSilence, usualSilences*float64(int64(end-begin)*o.width)/max(acknowledged, 1))
	name := strings.TrimSuffix(g.String(), "s")
	words := map[state]string{served: g.String() + " acknowledged", some: "some " + g.String() + " failed", refused: "no " + name + " acknowledged"}
	for i := begin; i < end; {
		n, st := 1, served
		switch b := &bins[i]; {
		case b.ok == 0:
			least := silence
			for ; i+n <= end; n++ {
				if !bins[i+n-1].empty() {
					least = leastSilence // something else came of operations
				}
				if i+n == end || bins[i+n].ok > 0 {
					break
				}
			}
			if float64(int64(n)*o.width) >= least {
				st = refused
			}
		case b.failed+b.unknown > 0:
			st = some
		}
		from, to := o.seconds(i), o.seconds(i+n)
		if k := len(l.Segments); k > 0 && l.Segments[k-1].State == st {
			l.Segments[k-1].To = to
		} else {
			l.Segments = append(l.Segments, Segment{from, to, st, words[st]})
		}
		i += n
	}
	return l
}

func (b *bin) empty() bool { return b.ok+b.failed+b.unknown == 0 }

func (o *overTime) seconds(bin int) float64 { return float64(o.first+int64(bin)*o.width) / 1e9 }

// byFault tells whether a fault that keeps the node down, or is about to, ended it: what
// is seen of an exit may be late.
func byFault(e *history.Event, down []interval) bool {
	return e.Cause == history.ByFault && slices.ContainsFunc(down, func(i interval) bool { return i.from <= e.At && i.to > i.from })
}
