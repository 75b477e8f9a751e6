package kit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// told is a system of which the nodes say what was put into their statuses. follows is
// what a node says once it was told to follow.
type told struct {
	targets.System
	mu      sync.Mutex
	says    map[string][]targets.Status // each said once, the last one for good; none: no answer
	follows map[string]targets.Status
	done    []string // "n3 follows n1 in 2"
}

func (s *told) Status(_ context.Context, n *cluster.Node) (targets.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.says[n.Name]
	if len(all) == 0 {
		return targets.Status{}, errors.New("connection refused")
	}
	if len(all) > 1 {
		s.says[n.Name] = all[1:]
	}
	return all[0], nil
}

func (s *told) Promote(context.Context, []*cluster.Node, int, []int, uint64) error {
	return errors.New("nobody is to be promoted by a node that joins")
}

func (s *told) Follow(_ context.Context, nodes []*cluster.Node, i, p int, epoch uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, fmt.Sprintf("%s follows %s in %d", nodes[i].Name, nodes[p].Name, epoch))
	s.says[nodes[i].Name] = []targets.Status{s.follows[nodes[i].Name]}
	return nil
}

// stopping is a node's agent that notes what it is asked to do.
type stopping struct {
	cluster.Control
	did []cluster.ActionKind
}

func (s *stopping) Do(_ context.Context, a cluster.Action) (cluster.Effect, error) {
	s.did = append(s.did, a.Kind)
	return cluster.Effect{}, nil
}

var (
	primary1 = targets.Status{Role: targets.Primary, Epoch: 1, Healthy: true}
	primary2 = targets.Status{Role: targets.Primary, Epoch: 2, Healthy: true}
	replica1 = targets.Status{Role: targets.Replica, Epoch: 1, Healthy: true}
	replica2 = targets.Status{Role: targets.Replica, Epoch: 2, Healthy: true}
	behind2  = targets.Status{Role: targets.Replica, Epoch: 2, Detail: "copies the primary"}
)

// A node that was started follows the primary of the newest epoch, whoever that is by
// then, is left alone while it is on its way, and has to have caught up.
func TestFollowLeader(t *testing.T) {
	for name, c := range map[string]struct {
		says map[string][]targets.Status
		want string
	}{
		"it is there already": {
			map[string][]targets.Status{"n1": {primary2}, "n2": {replica2}, "n3": {replica2}}, "",
		},
		"it still follows the old epoch": {
			map[string][]targets.Status{"n1": {primary2}, "n2": {replica2}, "n3": {replica1}}, "n3 follows n1 in 2",
		},
		"the old primary still says that it is one": {
			map[string][]targets.Status{"n1": {primary1}, "n2": {primary2}, "n3": {replica1}}, "n3 follows n2 in 2",
		},
		"nobody is the primary yet": {
			map[string][]targets.Status{"n1": {replica1, replica1, primary2}, "n2": {replica1}, "n3": {replica1}}, "n3 follows n1 in 2",
		},
		"a member does not answer": {
			map[string][]targets.Status{"n1": {primary2}, "n3": {replica1}}, "n3 follows n1 in 2",
		},
		"it catches up by itself": {
			map[string][]targets.Status{"n1": {primary2}, "n2": {replica2}, "n3": {behind2, behind2, replica2}}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &told{says: c.says, follows: map[string]targets.Status{"n3": replica2}}
			m := targets.Membership{Nodes: []*cluster.Node{{Name: "n1"}, {Name: "n2"}, {Name: "n3"}}, Members: []int{0, 1}, Node: 2}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := FollowLeader(ctx, s, m, func(its, leader targets.Status) bool { return its.Epoch != leader.Epoch })
			if got := strings.Join(s.done, ", "); err != nil || got != c.want {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// What keeps a node from following is told when the time is up.
func TestFollowLeaderTellsWhy(t *testing.T) {
	for name, c := range map[string]struct {
		says map[string][]targets.Status
		want string
	}{
		"no primary":       {map[string][]targets.Status{"n1": {replica1}, "n2": {replica1}}, "no member says that it is the primary"},
		"never caught up":  {map[string][]targets.Status{"n1": {primary2}, "n2": {behind2}}, "copies the primary"},
		"does not answer":  {map[string][]targets.Status{"n1": {primary2}}, "connection refused"},
		"is a primary too": {map[string][]targets.Status{"n1": {primary2}, "n2": {primary2}}, "is not caught up"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &told{says: c.says}
			m := targets.Membership{Nodes: []*cluster.Node{{Name: "n1"}, {Name: "n2"}}, Members: []int{0}, Node: 1}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			err := FollowLeader(ctx, s, m, func(targets.Status, targets.Status) bool { return false })
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "n2 follow the primary") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A node that leaves is stopped, and the change is over when the others have a primary.
func TestDepart(t *testing.T) {
	s := &told{says: map[string][]targets.Status{"n2": {replica1, replica1, replica1, primary2}}}
	agent := &stopping{}
	m := targets.Membership{Nodes: []*cluster.Node{{Name: "n1", Control: agent}, {Name: "n2"}}, Members: []int{1}, Node: 0}
	if err := Depart(t.Context(), s, m); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(agent.did, []cluster.ActionKind{cluster.Stop}) {
		t.Errorf("the agent was asked for %v", agent.did)
	}
	if left := s.says["n2"]; len(left) != 1 {
		t.Errorf("it was over before anybody was the primary: %v is still to be said", left)
	}
	// The one that is left never becomes the primary: told, not waited for.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s.says["n2"] = []targets.Status{replica1}
	if err := Depart(ctx, s, m); err == nil || !strings.Contains(err.Error(), "wait for a primary") {
		t.Error(err)
	}
}
