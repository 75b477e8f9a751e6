package watchdog

import (
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// The bounds of what counts as running as it should.
const (
	tickEvery   = int64(10 * time.Millisecond)
	lateLeast   = int64(50 * time.Millisecond)  // a tick that late is a stall
	windowEvery = int64(250 * time.Millisecond) // over which shares are taken
	shareMost   = 0.5                           // of the time, that ticks were late by
	lostMost    = 0.2                           // of the processors' time, that others took away
	silentAfter = int64(500 * time.Millisecond) // without an answer of an agent
	joinWithin  = int64(250 * time.Millisecond) // stretches this close are one
	marginMost  = int64(250 * time.Millisecond) // after a stall, in which connections are made anew
)

// reading is one look at the clocks and at what the kernel tells.
type reading struct {
	at        int64         // on the run's clock
	suspended time.Duration // of the machine, since it started
	heard     []int64       // when each node's agent last answered; <0: not known

	sampled   bool          // the following are of this look
	throttled time.Duration // by the control groups, in all
	stolen    float64       // share of the processors' time, since the last sample
	blocked   bool          // no file could be opened
}

// stretch is a time in which the harness, or a node, did not run as it should.
type stretch struct {
	by         string
	begin, end int64
	keys       []string // what went wrong, in a word
	how        []string // the same for people
}

func (s *stretch) event() history.Event {
	return history.Event{At: s.begin, Until: s.end, Kind: history.EventUntrusted, By: s.by,
		Name: strings.Join(s.keys, ","), Detail: strings.Join(s.how, " and ")}
}

// fault is a way in which the harness can fail to run.
type fault struct{ key, how string }

var (
	asleep      = fault{"asleep", "did not run"}
	suspended   = fault{"suspended", "slept, as the machine was suspended,"}
	starved     = fault{"starved", "got too little of the processor"}
	throttled   = fault{"throttled", "was throttled by its control group"}
	stolen      = fault{"stolen", "lost the processor to other machines"}
	descriptors = fault{"descriptors", "had no descriptor left"}
	memory      = fault{"memory", "had no memory left"}
	ports       = fault{"ports", "had no port left"}
	unled       = fault{"lease", "left the agents alone for longer than their lease"}
	silent      = fault{"silent", "did not answer, though no fault of the plan touches its agent,"}
)

// vigil draws from readings when times could not be trusted. It does no I/O.
type vigil struct {
	names []string
	lease int64

	last    reading
	begun   bool
	own     *stretch   // of the harness; may go on
	woke    int64      // the end of its last stall
	waiting int64      // >0: agents that have not answered since may have ended
	silence []*stretch // by node; go on

	window     int64 // its begin
	late       int64 // by which ticks were, in it
	heldBefore time.Duration
}

func newVigil(names []string, lease time.Duration) *vigil {
	return &vigil{names: names, lease: int64(lease), silence: make([]*stretch, len(names))}
}

// look takes a reading and returns the events of what is over.
func (v *vigil) look(r reading) []history.Event {
	if !v.begun {
		v.begun, v.last, v.window, v.heldBefore = true, r, r.at, r.throttled
		return nil
	}
	gap := r.at - v.last.at - tickEvery
	if slept := r.suspended - v.last.suspended; int64(slept) >= lateLeast {
		v.doubt(v.last.at, r.at+marginMost, suspended)
		v.waiting, v.woke = r.at, r.at
	} else if gap >= lateLeast {
		v.doubt(v.last.at, r.at+min(gap/5, marginMost), asleep)
		v.woke = r.at
		if gap >= v.lease/2 {
			v.waiting = r.at
		}
	}
	if gap < lateLeast {
		v.late += max(gap, 0) // what is later is told as what it is
	}
	if r.sampled {
		v.sample(&r)
	}
	events := v.listen(&r)
	if v.own != nil && v.waiting == 0 && r.at-v.own.end > joinWithin {
		events = append(events, v.own.event())
		v.own = nil
	}
	v.last.at, v.last.suspended = r.at, r.suspended
	return events
}

// sample judges the time since the last sample.
func (v *vigil) sample(r *reading) {
	length := float64(r.at - v.window)
	switch {
	case length <= 0:
	case float64(v.late) > shareMost*length:
		v.doubt(v.window, r.at, starved)
	case float64(r.throttled-v.heldBefore) > lostMost*length:
		v.doubt(v.window, r.at, throttled)
	case r.stolen > lostMost:
		v.doubt(v.window, r.at, stolen)
	}
	if r.blocked {
		v.doubt(v.window, r.at, descriptors)
	}
	v.window, v.late, v.heldBefore = r.at, 0, r.throttled
}

// listen looks for agents that do not answer. After a stall that an agent may not
// have outlived, the harness is in doubt until all have answered again.
func (v *vigil) listen(r *reading) (events []history.Event) {
	if v.waiting > 0 {
		if !slices.ContainsFunc(r.heard, func(at int64) bool { return at >= 0 && at < v.waiting }) {
			v.waiting = 0
		} else if r.at-v.waiting > silentAfter {
			v.doubt(v.own.begin, r.at, unled)
		}
	}
	for i, heard := range r.heard {
		s := v.silence[i]
		switch {
		case heard < 0:
		case s != nil && heard > s.begin:
			s.end = heard
			events = append(events, s.event())
			v.silence[i] = nil
		case s != nil:
			s.end = r.at
		case v.waiting == 0 && r.at-max(heard, v.woke) > silentAfter:
			v.silence[i] = &stretch{by: v.names[i], begin: heard, end: r.at, keys: []string{silent.key}, how: []string{silent.how}}
		}
	}
	return events
}

// doubt adds a stretch to that of the harness. What is not close to it would have
// been told before.
func (v *vigil) doubt(begin, end int64, what fault) {
	begin = max(begin, 0)
	if v.own == nil {
		v.own = &stretch{begin: begin, end: end}
	}
	v.own.begin, v.own.end = min(v.own.begin, begin), max(v.own.end, end)
	if !slices.Contains(v.own.keys, what.key) {
		v.own.keys, v.own.how = append(v.own.keys, what.key), append(v.own.how, what.how)
	}
}

// finish returns the events of what goes on.
func (v *vigil) finish() (events []history.Event) {
	for _, s := range append(v.silence, v.own) {
		if s != nil {
			events = append(events, s.event())
		}
	}
	v.own, v.silence = nil, make([]*stretch, len(v.names))
	return events
}
