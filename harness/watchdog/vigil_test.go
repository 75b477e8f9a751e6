package watchdog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

const ms = int64(time.Millisecond)

// watched is a vigil over two nodes that is shown a run: ticks every 10 ms, and
// what a script does to them.
type watched struct {
	*vigil
	now    int64
	heard  [2]int64
	gone   [2]bool // the agent does not answer
	slept  time.Duration
	held   time.Duration
	stolen float64
	none   bool // no descriptor is left
	last   int64
	events []history.Event
}

func newWatched() *watched { return &watched{vigil: newVigil([]string{"n1", "n2"}, 5*time.Second)} }

// run lets time pass, with a tick each time that so much of it has.
func (w *watched) run(length, tick int64) {
	for end := w.now + length; w.now < end; w.tick(tick) {
	}
}

func (w *watched) tick(after int64) {
	w.now += after
	for i := range w.heard {
		if !w.gone[i] && w.now-w.heard[i] >= 200*ms {
			w.heard[i] = w.now - 5*ms
		}
	}
	r := reading{at: w.now, suspended: w.slept, heard: []int64{w.heard[0], w.heard[1]}, sampled: w.now-w.last >= windowEvery,
		throttled: w.held, stolen: w.stolen, blocked: w.none}
	if r.sampled {
		w.last = w.now
	}
	w.events = append(w.events, w.look(r)...)
}

func (w *watched) told() string {
	var all []string
	for _, e := range append(w.events, w.finish()...) {
		all = append(all, fmt.Sprintf("%s%s %d-%d", e.By, e.Name, e.At/ms, e.Until/ms))
	}
	return strings.Join(all, ", ")
}

func TestVigil(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(w *watched)
		want string
	}{
		{"nothing", func(w *watched) { w.run(3000*ms, 10*ms) }, ""},
		{"a little late", func(w *watched) { w.run(1000*ms, 10*ms); w.tick(55 * ms); w.run(1000*ms, 10*ms) }, ""},
		{"stopped for 2 s", func(w *watched) { w.run(1000*ms, 10*ms); w.tick(2000 * ms); w.run(1000*ms, 10*ms) }, "asleep 1000-3250"},
		{"stopped twice, close together", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.tick(500 * ms)
			w.run(100*ms, 10*ms)
			w.tick(500 * ms)
			w.run(1000*ms, 10*ms)
		}, "asleep 1000-2198"},
		{"stopped twice", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.tick(500 * ms)
			w.run(1000*ms, 10*ms)
			w.tick(500 * ms)
			w.run(1000*ms, 10*ms)
		}, "asleep 1000-1598, asleep 2500-3098"},
		{"stopped at the end", func(w *watched) { w.run(1000*ms, 10*ms); w.tick(500 * ms) }, "asleep 1000-1598"},
		{"stopped for longer than the lease, which the agents outlive", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.tick(9000 * ms)
			w.run(3000*ms, 10*ms)
		}, "asleep 1000-10250"},
		{"stopped for longer than the lease", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.gone[1] = true
			w.tick(9000 * ms)
			w.run(3000*ms, 10*ms)
		}, "asleep,lease 1000-13000"},
		{"suspended", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.slept = time.Minute
			w.run(1000*ms, 10*ms)
		}, "suspended 1000-1260"},
		{"five per cent of a processor", func(w *watched) {
			for range 5 {
				w.run(50*ms, 10*ms)
				w.tick(950 * ms)
			}
			w.run(1000*ms, 10*ms)
		}, "asleep 50-5188"},
		{"short of the processor", func(w *watched) { w.run(1000*ms, 10*ms); w.run(1000*ms, 45*ms); w.run(1000*ms, 10*ms) }, "starved 1000-2065"},
		{"throttled", func(w *watched) {
			w.run(1000*ms, 10*ms)
			for range 100 {
				w.held += 5 * time.Millisecond
				w.tick(10 * ms)
			}
			w.run(1000*ms, 10*ms)
		}, "throttled 1000-2000"},
		{"stolen", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.stolen = 0.5
			w.run(1000*ms, 10*ms)
			w.stolen = 0
			w.run(1000*ms, 10*ms)
		}, "stolen 1000-2000"},
		{"no descriptor", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.none = true
			w.run(1000*ms, 10*ms)
			w.none = false
			w.run(1000*ms, 10*ms)
		}, "descriptors 1000-2000"},
		{"a node stands still", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.gone[1] = true
			w.run(1500*ms, 10*ms)
			w.gone[1] = false
			w.run(1000*ms, 10*ms)
		}, "n2silent 995-2505"},
		{"a node is gone", func(w *watched) { w.run(1000*ms, 10*ms); w.gone[0] = true; w.run(2000*ms, 10*ms) }, "n1silent 995-3000"},
		{"a node does not answer while the harness sleeps", func(w *watched) {
			w.run(1000*ms, 10*ms)
			w.tick(2000 * ms)
			w.heard[0] = 900 * ms // it answers a moment after the harness woke
			w.run(1000*ms, 10*ms)
		}, "asleep 1000-3250"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWatched()
			w.tick(0)
			tc.do(w)
			if got := w.told(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
