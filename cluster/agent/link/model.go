package link

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

const (
	// mostBacklog is for how long a limited rate lets packets wait; what would wait
	// longer is lost, as in the buffer of a router.
	mostBacklog = 200 * time.Millisecond
	// heldBack is how long a packet is held that others are to overtake, where no
	// delay holds those.
	heldBack = 2 * time.Millisecond
	// coherence is for how many times the jitter one random time holds. Packets do not
	// overtake each other for jitter; if each had a time of its own, all would have to
	// wait for the slowest.
	coherence = 2
	// fineRate is the rate below which packets come as small as they are on the wire:
	// one of 64 KiB would hold a slow link for too long.
	fineRate = 200e6
)

// tally is what was done on behalf of one fault.
type tally struct{ held, lost, duplicated, reordered, corrupted uint64 }

// words are the counts that are not zero.
func (t *tally) words() map[string]uint64 {
	counts := map[string]uint64{}
	for words, n := range map[string]uint64{"packets held": t.held, "packets lost": t.lost, "packets duplicated": t.duplicated,
		"packets reordered": t.reordered, "packets corrupted": t.corrupted} {
		if n > 0 {
			counts[words] = n
		}
	}
	return counts
}

// effect is one Link of one fault.
type effect struct {
	cluster.Link
	tally  *tally
	random *rand.Rand

	bad         bool // Gilbert's state, in which every packet is lost
	jitter      time.Duration
	jitterUntil int64
}

// lose tells whether the next packet is lost. With bursts it is Gilbert's model: a
// bad state is left with the chance 1/Burst a packet and entered so often that Loss
// is the share of packets in it.
func (e *effect) lose() bool {
	switch {
	case e.Loss <= 0:
		return false
	case e.Loss >= 1 || e.Burst <= 1:
		return e.random.Float64() < e.Loss
	case e.bad:
		e.bad = e.random.Float64() >= 1/e.Burst
	default:
		e.bad = e.random.Float64() < e.Loss/(e.Burst*(1-e.Loss))
	}
	return e.bad
}

// delay is for how long it holds a packet that comes at t.
func (e *effect) delay(t int64) time.Duration {
	if e.Jitter > 0 && t >= e.jitterUntil {
		e.jitter = time.Duration(e.random.NormFloat64() * float64(e.Jitter))
		e.jitterUntil = t + int64(coherence*e.Jitter)
	}
	return max(0, e.Delay+e.jitter)
}

func (e *effect) happens(chance float64) bool { return chance > 0 && e.random.Float64() < chance }

// end is one end of a link, as the node sees it: what comes from the peer, or goes
// to it.
type end struct {
	peer netip.Addr
	out  bool
}

func (e end) compare(other end) int {
	if e.out != other.out {
		if e.out {
			return 1
		}
		return -1
	}
	return e.peer.Compare(other.peer)
}

// path is one end of a link with all that happens to its packets. It is pure but for
// the random choices of its effects. Times are nanoseconds of any one clock.
type path struct {
	end
	effects []*effect
	rate    int64 // the least of the effects'; 0: no limit

	last     int64 // when the latest packet goes that is held in order
	busy     int64 // until when the limited rate has something to send
	waiting  int   // packets that are held
	overtake int64 // until when a packet is held back that has not been overtaken yet
}

// fine tells whether each packet has to be seen as it was on the wire.
func (p *path) fine() bool {
	for _, e := range p.effects {
		if e.Loss > 0 || e.Duplicate > 0 || e.Reorder > 0 || e.Corrupt > 0 {
			return true
		}
	}
	return p.rate > 0 && p.rate < fineRate
}

// fate is what becomes of a packet.
type fate struct {
	lost       bool
	at         int64 // when it goes on
	duplicated bool
	corrupted  *effect // nil: it is not
}

// decide says what becomes of a packet of so many bytes that came at t.
func (p *path) decide(size int, t int64) (f fate) {
	for _, e := range p.effects {
		if e.lose() {
			e.tally.lost++
			return fate{lost: true}
		}
	}
	f.at = t
	if p.rate > 0 {
		if p.busy = max(p.busy, t); time.Duration(p.busy-t) > mostBacklog {
			p.lostToRate()
			return fate{lost: true}
		}
		p.busy += int64(float64(size) * 8 / float64(p.rate) * 1e9)
		f.at = p.busy
	}
	var delay time.Duration
	var early *effect
	for _, e := range p.effects {
		delay += e.delay(t)
		if early == nil && e.happens(e.Reorder) {
			early = e
		}
		if !f.duplicated && e.happens(e.Duplicate) {
			f.duplicated = true
			e.tally.duplicated++
		}
		if f.corrupted == nil && e.happens(e.Corrupt) {
			f.corrupted = e
		}
	}
	p.place(&f, early, delay)
	if f.at > t {
		for _, e := range p.effects {
			if e.Delay > 0 || e.Jitter > 0 || e.Rate > 0 {
				e.tally.held++
			}
		}
	}
	return f
}

// place puts a packet behind those before it, or before them.
func (p *path) place(f *fate, early *effect, delay time.Duration) {
	switch {
	case early != nil && delay > 0: // it does not wait for what is held
		if p.waiting > 0 {
			early.tally.reordered++
		}
		return
	case early != nil:
		f.at += int64(heldBack)
		p.overtake = f.at
		return
	}
	f.at = max(f.at+int64(delay), p.last)
	p.last = f.at
	if f.at < p.overtake {
		p.overtake = 0
		for _, e := range p.effects {
			if e.Reorder > 0 {
				e.tally.reordered++
				return
			}
		}
	}
}

// lostToRate counts a packet for which the limited rate's buffer had no room.
func (p *path) lostToRate() {
	for _, e := range p.effects {
		if e.Rate == p.rate {
			e.tally.lost++
			return
		}
	}
}

// newPath makes a path of effects; it goes on from what was there before, if
// anything was.
func newPath(at end, effects []*effect, before *path, t int64) *path {
	p := &path{end: at, effects: effects}
	for _, e := range effects {
		if e.Rate > 0 && (p.rate == 0 || e.Rate < p.rate) {
			p.rate = e.Rate
		}
	}
	if before != nil {
		p.last, p.busy, p.overtake = before.last, before.busy, before.overtake
		p.last = min(p.last, t+int64(p.longest(t)))
	}
	return p
}

// mostJitter is how many deviations a jitter is as good as never above.
const mostJitter = 4

// longest is for how long it holds what has come until t.
func (p *path) longest(t int64) (d time.Duration) {
	for _, e := range p.effects {
		d += e.Delay + mostJitter*e.Jitter
		if e.Reorder > 0 {
			d += heldBack
		}
	}
	if p.rate > 0 {
		d += time.Duration(max(0, p.busy-t))
	}
	return d
}
