package link

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
)

// Rules send packets to queues; *network.Firewall does.
type Rules interface {
	Queue(ids []string, to []network.Queued) error
	CanQueue() error
	Lapsed(id string) time.Duration
}

// Shaper keeps the links of a node as the faults in effect want them.
type Shaper struct {
	rules Rules

	mu     sync.Mutex // one change at a time
	engine *engine    // nil until it is needed
	able   bool       // Can found nothing missing
	faults map[string]*fault
}

// fault is what one fault does.
type fault struct {
	effects map[end][]*effect
	tally   *tally
}

// mostLinks bounds the links that a node's faults have.
const mostLinks = 4096

// New returns a shaper of no link. It does no I/O.
func New(rules Rules) *Shaper { return &Shaper{rules: rules, faults: map[string]*fault{}} }

// Can tries whether the node can hold packets: its kernel has to have queues and
// rules for them. The error names what is missing and the remedy. It is called
// ahead of the instant of a fault, too: the first use may load kernel modules.
func (s *Shaper) Can() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.openLocked()
}

func (s *Shaper) openLocked() error {
	if !s.able {
		if err := s.rules.CanQueue(); err != nil {
			return err
		}
		s.able = true
	}
	if s.engine != nil {
		return nil
	}
	e, err := startEngine()
	if err == nil {
		s.engine = e
	}
	return err
}

// Shape adds a.Links to those that the fault a.ID has already.
func (s *Shaper) Shape(a cluster.Action) (cluster.Effect, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(a); err != nil {
		return cluster.Effect{}, err
	}
	if err := s.openLocked(); err != nil {
		return cluster.Effect{}, err
	}
	if slices.ContainsFunc(a.Links, func(l cluster.Link) bool { return l.Duplicate > 0 }) {
		if err := s.engine.openCopies(); err != nil {
			return cluster.Effect{}, err
		}
	}
	before := s.faults[a.ID]
	f := &fault{effects: map[end][]*effect{}, tally: &tally{}}
	if before != nil {
		f.effects, f.tally = maps.Clone(before.effects), before.tally
	}
	for i, l := range a.Links {
		l.Peer = l.Peer.Unmap().WithZone("")
		at := end{l.Peer, l.Out}
		f.effects[at] = append(slices.Clone(f.effects[at]), &effect{Link: l, tally: f.tally, random: rand.New(rand.NewPCG(a.Seed, uint64(i)))})
	}
	s.faults[a.ID] = f
	s.engine.shape(s.effects()) // before the first packet comes
	if err := s.rules.Queue(s.wanted()); err != nil {
		s.faults[a.ID] = before
		if before == nil {
			delete(s.faults, a.ID)
		}
		s.engine.shape(s.effects())
		return cluster.Effect{}, err
	}
	return cluster.Effect{At: time.Now(), Changed: len(a.Links) > 0}, nil
}

// Unshape takes the links of the fault a.ID away. What is held for it alone goes at
// once. The effect's Counts are what was done on behalf of it, its Lapsed for how
// long its rules were not in force.
func (s *Shaper) Unshape(a cluster.Action) (cluster.Effect, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults[a.ID]
	if f == nil {
		return cluster.Effect{At: time.Now()}, nil
	}
	delete(s.faults, a.ID)
	s.engine.shape(s.effects()) // lets go what the rules' end could drop
	if err := s.rules.Queue(s.wanted()); err != nil {
		s.faults[a.ID] = f
		s.engine.shape(s.effects())
		return cluster.Effect{}, err
	}
	return cluster.Effect{At: time.Now(), Changed: true, Counts: s.engine.counted(f), Lapsed: s.rules.Lapsed(a.ID)}, nil
}

// Close takes every link away, lets all packets go and ends the thread.
func (s *Shaper) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine == nil {
		return nil
	}
	var err error
	if len(s.faults) > 0 {
		s.faults = map[string]*fault{}
		s.engine.shape(nil)
		err = s.rules.Queue(nil, nil)
	}
	s.engine.stop()
	s.engine = nil
	return err
}

// check says what is wrong with links to be added.
func (s *Shaper) check(a cluster.Action) error {
	if a.ID == "" {
		return fmt.Errorf("links need the fault's id")
	}
	n := len(a.Links)
	for _, f := range s.faults {
		n += len(f.effects)
	}
	if n > mostLinks {
		return fmt.Errorf("too many links in one node: %d, at most %d", n, mostLinks)
	}
	for _, l := range a.Links {
		if !l.Peer.IsValid() {
			return fmt.Errorf("a link of %s has no peer address", a.ID)
		}
		for _, chance := range []float64{l.Loss, l.Duplicate, l.Reorder, l.Corrupt} {
			if chance < 0 || chance > 1 {
				return fmt.Errorf("a link of %s has the chance %g: use 0 to 1", a.ID, chance)
			}
		}
		if l.Delay < 0 || l.Jitter < 0 || l.Rate < 0 {
			return fmt.Errorf("a link of %s has a delay, jitter or rate below 0", a.ID)
		}
	}
	return nil
}

// effects is what the faults in effect do to the links, in an order that does not
// depend on when they began.
func (s *Shaper) effects() map[end][]*effect {
	all := map[end][]*effect{}
	for _, id := range slices.Sorted(maps.Keys(s.faults)) {
		for at, effects := range s.faults[id].effects {
			all[at] = append(all[at], effects...)
		}
	}
	return all
}

// wanted is what has to be sent to queues, and for whom.
func (s *Shaper) wanted() (ids []string, to []network.Queued) {
	effects := s.effects()
	for _, at := range slices.SortedFunc(maps.Keys(effects), end.compare) {
		to = append(to, s.engine.queueOf(at, effects[at]))
	}
	return slices.Sorted(maps.Keys(s.faults)), to
}
