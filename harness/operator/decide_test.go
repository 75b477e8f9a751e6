package operator

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/targets"
)

// seen3 is an observation of three nodes where all live ones reach each other, but
// for the pairs in cut.
func seen3(at time.Duration, roles string, cut ...[2]int) observation {
	v := observation{at: at}
	for i, r := range roles {
		s := targets.Status{Role: targets.Replica, Epoch: 1, Position: uint64(100 + i), Eligible: true, Healthy: true}
		if r == 'P' {
			s.Role = targets.Primary
		}
		v.status = append(v.status, s)
		v.alive = append(v.alive, r != 'x')
	}
	for i := range roles {
		row := make([]bool, len(roles))
		for j := range roles {
			row[j] = i != j && v.alive[i] && v.alive[j]
			for _, c := range cut {
				if c == [2]int{i, j} || c == [2]int{j, i} {
					row[j] = false
				}
			}
		}
		v.reach = append(v.reach, row)
	}
	return v
}

func operatorOf(n int, choose string) *operatorState {
	return newOperatorState(n, plan.Failover{After: time.Second, Choose: choose}, rand.New(rand.NewPCG(1, 2)))
}

func TestOperatorWaitsThenPromotesTheMostAdvanced(t *testing.T) {
	s := operatorOf(3, "most-advanced")
	for _, at := range []time.Duration{0, 500, 999} {
		if o := s.decide(seen3(at*time.Millisecond, "xRR")); o.promote >= 0 {
			t.Fatalf("promoted %d after only %d ms", o.promote, at)
		}
	}
	o := s.decide(seen3(time.Second, "xRR"))
	if o.promote != 2 || o.epoch != 2 || o.gone != 0 {
		t.Fatalf("got %+v, want node 2 promoted in epoch 2 over node 0", o)
	}
}

func TestOperatorForgivesAPrimaryThatComesBack(t *testing.T) {
	s := operatorOf(3, "most-advanced")
	s.decide(seen3(0, "xRR"))
	s.decide(seen3(900*time.Millisecond, "PRR"))
	if o := s.decide(seen3(1500*time.Millisecond, "xRR")); o.promote >= 0 {
		t.Fatalf("promoted %d although the primary was back in between", o.promote)
	}
}

func TestOperatorSeesAnIsolatedPrimaryAsGone(t *testing.T) {
	s := operatorOf(3, "most-advanced")
	cut := [][2]int{{0, 1}, {0, 2}}
	s.decide(seen3(0, "PRR", cut...))
	o := s.decide(seen3(2*time.Second, "PRR", cut...))
	if o.promote != 2 {
		t.Fatalf("got %+v, want a promotion on the majority's side", o)
	}
	s.promoted(2, o.epoch)
	v := seen3(3*time.Second, "PRP", cut...)
	v.status[1].Epoch, v.status[2].Epoch = 2, 2
	if o := s.decide(v); o.promote >= 0 || len(o.follow) > 0 {
		t.Fatalf("got %+v: the operator must leave the far side alone", o)
	}
	v = seen3(4*time.Second, "PRP")
	v.status[1].Epoch, v.status[2].Epoch = 2, 2
	if o := s.decide(v); !reflect.DeepEqual(o.follow, []int{0}) || o.epoch != 2 {
		t.Fatalf("got %+v, want node 0 re-pointed after the split healed", o)
	}
}

func TestOperatorSitsWithTheReplicaInATie(t *testing.T) {
	s := operatorOf(2, "most-advanced")
	s.decide(seen3(0, "PR", [2]int{0, 1}))
	o := s.decide(seen3(time.Second, "PR", [2]int{0, 1}))
	if o.promote != 1 {
		t.Fatalf("got %+v, want the replica promoted", o)
	}
	s.promoted(1, 2)
	v := seen3(2*time.Second, "PP", [2]int{0, 1})
	v.status[1].Epoch = 2
	s.decide(v)
	v.at = 9 * time.Second
	if o := s.decide(v); o.promote >= 0 {
		t.Fatalf("got %+v: the operator changed sides in an old tie", o)
	}
}

func TestOperatorChoices(t *testing.T) {
	v := seen3(0, "xRR")
	promote := func(choose string, v observation) int {
		s := operatorOf(3, choose)
		v.at = 0
		s.decide(v)
		v.at = time.Hour
		return s.decide(v).promote
	}
	if got := promote("least-advanced", v); got != 1 {
		t.Errorf("least-advanced chose %d, want 1", got)
	}
	if got := promote("none", v); got != -1 {
		t.Errorf("none chose %d", got)
	}
	if got := promote("random", v); got != 1 && got != 2 {
		t.Errorf("random chose %d", got)
	}
	v.status[2].Eligible = false
	if got := promote("most-advanced", v); got != 1 {
		t.Errorf("most-advanced chose %d, which may lose acknowledged writes", got)
	}
	v.status[1].Eligible = false
	if got := promote("most-advanced", v); got != -1 {
		t.Errorf("most-advanced chose %d though nobody is eligible", got)
	}
	v = seen3(0, "xRR")
	v.status[1].LogEpoch = 3
	if got := promote("most-advanced", v); got != 1 {
		t.Errorf("most-advanced chose %d: a later epoch's log is more advanced than a longer one", got)
	}
	v.status[1].LogEpoch, v.status[1].Epoch = 0, 2
	if got := promote("most-advanced", v); got != 1 {
		t.Errorf("most-advanced chose %d, which missed the promotion of epoch 2", got)
	}
}

func TestOperatorNeverOffersAnEpochTwice(t *testing.T) {
	s := operatorOf(3, "most-advanced")
	s.decide(seen3(0, "xRR"))
	first, second := s.decide(seen3(time.Second, "xRR")), s.decide(seen3(2*time.Second, "xRR"))
	if first.epoch != 2 || second.epoch != 3 || second.promote < 0 {
		t.Errorf("a failed promotion in epoch %d was followed by one in %d of node %d", first.epoch, second.epoch, second.promote)
	}
}
