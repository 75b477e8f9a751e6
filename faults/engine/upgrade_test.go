package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
)

// rollouts replace servers, one at a time, each in a second. One of n3 cannot be replaced.
type rollouts struct {
	turn  sync.Mutex
	ended []error // that turns were ended with
}

func (r *rollouts) Turn(context.Context, cluster.Action, int) (func(error), error) {
	r.turn.Lock()
	return func(err error) {
		r.ended = append(r.ended, err)
		r.turn.Unlock()
	}, nil
}

func (r *rollouts) Upgrade(_ context.Context, a cluster.Action, node int) (string, bool, error) {
	time.Sleep(s)
	if node == 2 {
		return "", false, errors.New("it does not start")
	}
	return fmt.Sprintf("n%d runs %s", node+1, a.To), true, nil
}

func upgrade(id, victim string, at time.Duration) faults.Planned {
	p := fault(id, "upgrade", victim, at, 0)
	p.Spec.To = "2"
	return p
}

// TestUpgrades: while a server is replaced nothing else touches its processes, one that is
// kept down is not replaced, and what fails is told and ends its turn with that.
func TestUpgrades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newBench(3), &rollouts{}
		b.Upgrades = r
		b.run(t, upgrade("f1", "n2", s), fault("f2", "kill", "n2", s+s/2, s), fault("f3", "pause", "n1", s+s/2, s/4),
			fault("f4", "kill", "n1", 4*s, 3*s), upgrade("f5", "n1", 5*s), upgrade("f6", "n3", 9*s))
		for i, want := range []string{"pause@1.5s resume@1.75s kill@4s restart@7s", "kill@2s restart@2.5s", ""} {
			if got := b.happened(i); got != want {
				t.Errorf("n%d: %s, want %s", i+1, got, want)
			}
		}
		for id, want := range map[string]string{"f1": "n2 runs 2", "f5": "another fault keeps it down", "f6": "upgrade n3: it does not start"} {
			e := b.find(t, history.EventFault, id)
			if e.Failed != (id != "f1") || !strings.Contains(e.Detail, want) {
				t.Errorf("%s: %+v, want %q", id, e, want)
			}
		}
		if e := b.find(t, history.EventFault, "f1"); e.At != b.Base+int64(s) || e.Counts[faults.CountReplaced] != 1 {
			t.Errorf("%+v", e)
		}
		if len(r.ended) != 3 || r.ended[0] != nil || r.ended[1] == nil || r.ended[2] == nil {
			t.Errorf("turns ended with %v", r.ended)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(1)
		b.run(t, upgrade("f1", "n1", s))
		if e := b.find(t, history.EventFault, "f1"); !e.Failed || !strings.Contains(e.Detail, "cannot be replaced") {
			t.Errorf("%+v", e)
		}
	})
}
