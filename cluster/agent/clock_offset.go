package agent

import (
	"sync"
	"time"
)

// drift bounds how fast two monotonic clocks may run apart: the kernel steers
// a clock's rate by at most 500 parts in a million.
const drift = 500e-6

// sample is one round trip to the agent's clock.
type sample struct {
	sent, received time.Time
	agent          int64 // the agent's clock, some time between the two
}

// bound is the largest error of the sample's midpoint, at time now. The agent
// read its clock between sent and received, so the middle of the two is off by
// at most half the round trip (Cristian, "Probabilistic clock
// synchronization", 1989); drift adds to it, counted from the end of the round
// trip that is farther away.
func (s sample) bound(now time.Time) time.Duration {
	away := max(now.Sub(s.sent), s.received.Sub(now))
	return s.received.Sub(s.sent)/2 + time.Duration(drift*float64(away))
}

// clockOffset converts between the harness's clock and the agent's by the best
// sample so far. It is safe for concurrent use.
type clockOffset struct {
	mu      sync.Mutex
	best    sample
	sampled bool
}

// add keeps s if it is better now than what is kept.
func (o *clockOffset) add(s sample) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.sampled || s.bound(s.received) <= o.best.bound(s.received) {
		o.best, o.sampled = s, true
	}
}

// agentEpoch is the harness's time at which the agent's clock read zero.
func (o *clockOffset) agentEpoch() time.Time {
	half := o.best.received.Sub(o.best.sent) / 2
	return o.best.sent.Add(half - time.Duration(o.best.agent))
}

// toAgent converts a time of the harness to the agent's clock.
func (o *clockOffset) toAgent(t time.Time) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return int64(t.Sub(o.agentEpoch()))
}

// toHarness converts a reading of the agent's clock, and bounds the error.
func (o *clockOffset) toHarness(agent int64) (time.Time, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.agentEpoch().Add(time.Duration(agent))
	return t, o.best.bound(t)
}
