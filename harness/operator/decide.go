package operator

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/targets"
)

// observation is what the failover operator saw in one look at the cluster.
type observation struct {
	at     time.Duration // when, from the operator's start
	alive  []bool        // the server answered on its own node
	status []targets.Status
	reach  [][]bool // reach[i][j]: node i's connections get to node j's machine
}

// decision is what the operator wants done now.
type decision struct {
	promote int // node, -1: nobody
	epoch   uint64
	gone    int   // the primary that promote replaces
	follow  []int // nodes to re-point to the primary
}

// operatorState is what the operator remembers between looks.
type operatorState struct {
	after   time.Duration
	choose  string
	random  *rand.Rand
	primary int
	epoch   uint64        // the newest that a node told of or that was given out with success
	offered uint64        // the newest that was given out at all
	side    []int         // the nodes that the operator sits with
	lost    time.Duration // when the primary was first seen gone; <0: it is there
}

// newOperatorState starts with node 0 the primary in epoch 1, as Form leaves it.
func newOperatorState(n int, f plan.Failover, random *rand.Rand) *operatorState {
	s := &operatorState{after: f.After, choose: f.Choose, random: random, epoch: 1, lost: -1}
	for i := range n {
		s.side = append(s.side, i)
	}
	return s
}

// decide draws the decision from an observation. It changes only the operator's memory;
// promoted is to be called when a promotion succeeded.
func (s *operatorState) decide(v observation) decision {
	o := decision{promote: -1, gone: s.primary}
	s.chooseSide(v)
	for i := range v.status {
		if v.alive[i] {
			s.epoch = max(s.epoch, v.status[i].Epoch)
		}
	}
	present := slices.Contains(s.side, s.primary) && v.status[s.primary].Role == targets.Primary
	if present {
		s.lost = -1
		o.epoch = v.status[s.primary].Epoch
		for _, i := range s.side {
			st := v.status[i]
			if i != s.primary && (st.Role != targets.Replica || st.Epoch < o.epoch) {
				o.follow = append(o.follow, i)
			}
		}
		return o
	}
	if s.lost < 0 {
		s.lost = v.at
	}
	if v.at-s.lost < s.after || s.choose == "none" {
		return o
	}
	o.promote = s.candidate(v)
	if o.promote >= 0 {
		s.offered = max(s.offered, s.epoch) + 1 // never the same epoch twice
		o.epoch = s.offered
	}
	return o
}

// promoted records a promotion.
func (s *operatorState) promoted(node int, epoch uint64) {
	s.primary, s.epoch, s.lost = node, epoch, -1
}

// chooseSide chooses the side of a split on which the operator is: the largest group
// of live nodes that reach each other. In a tie it stays where it was; when
// the tie is new, it is on the side without the primary, as a monitor beside
// the replicas would be.
func (s *operatorState) chooseSide(v observation) {
	groups := components(v)
	if len(groups) == 0 {
		s.side = nil
		return
	}
	best, tied := groups[0], 1
	for _, g := range groups[1:] {
		switch {
		case len(g) > len(best):
			best, tied = g, 1
		case len(g) == len(best):
			tied++
		}
	}
	if tied == 1 {
		s.side = best
		return
	}
	var away []int
	for _, g := range groups {
		if len(g) < len(best) {
			continue
		}
		if len(s.side) > 0 && subset(s.side, g) {
			s.side = g
			return
		}
		if away == nil && !slices.Contains(g, s.primary) {
			away = g
		}
	}
	s.side = away
}

// candidate chooses whom to promote among the replicas of the operator's side;
// -1 if nobody may be. The most advanced one has to be eligible by its own word
// and of the newest epoch: a node that missed a promotion does not know what
// was acknowledged since, and judges itself by its own old epoch.
func (s *operatorState) candidate(v observation) int {
	var able []int
	for _, i := range s.side {
		if i == s.primary && v.status[i].Role == targets.Primary {
			continue
		}
		if s.choose == "most-advanced" && (!v.status[i].Eligible || v.status[i].Epoch < s.epoch) {
			continue
		}
		able = append(able, i)
	}
	if len(able) == 0 {
		return -1
	}
	if s.choose == "random" {
		return able[s.random.IntN(len(able))]
	}
	advanced := func(a, b int) int {
		if v.status[a].LogEpoch != v.status[b].LogEpoch {
			return cmp.Compare(v.status[a].LogEpoch, v.status[b].LogEpoch)
		}
		return cmp.Compare(v.status[a].Position, v.status[b].Position)
	}
	if s.choose == "least-advanced" {
		return slices.MinFunc(able, advanced)
	}
	return slices.MaxFunc(able, advanced)
}

// components are the groups of live nodes connected by links that work both
// ways, each sorted.
func components(v observation) [][]int {
	n := len(v.alive)
	seen := make([]bool, n)
	var groups [][]int
	for i := range n {
		if seen[i] || !v.alive[i] {
			continue
		}
		seen[i] = true
		group := []int{i}
		for next := 0; next < len(group); next++ {
			for j := range n {
				a := group[next]
				if !seen[j] && v.alive[j] && v.reach[a][j] && v.reach[j][a] {
					seen[j] = true
					group = append(group, j)
				}
			}
		}
		slices.Sort(group)
		groups = append(groups, group)
	}
	return groups
}

func subset(a, b []int) bool {
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}
