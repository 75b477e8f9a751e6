package roles

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// stating is a system that tells nothing of its lag.
type stating struct{ targets.System }

// changing is a system whose nodes have the roles that they are given.
type changing struct {
	targets.System
	role func(call int) (targets.Status, error)
	call int
}

func (c *changing) ClientStatus(context.Context, *cluster.Node) (targets.Status, error) {
	c.call++
	return c.role(c.call)
}

// TestRoleEventsTellSinceWhen: a change of role came after the node last told
// another, and its event is stamped before anyone can act on it.
func TestRoleEventsTellSinceWhen(t *testing.T) {
	var r *Roles
	var events []history.Event
	system := &changing{role: func(call int) (targets.Status, error) {
		switch call {
		case 1, 2:
			return targets.Status{Role: targets.Replica}, nil
		case 3:
			return targets.Status{}, context.DeadlineExceeded
		}
		return targets.Status{Role: targets.Primary, Epoch: 2}, nil
	}}
	clock := history.NewClock()
	r = New(system, []*cluster.Node{{Name: "n1"}}, clock, func(e history.Event) { events = append(events, e) })
	var asked [4]int64
	for i := range asked {
		asked[i] = clock.Now()
		time.Sleep(time.Millisecond)
		r.Refresh(t.Context())
	}
	if len(events) != 2 {
		t.Fatalf("%d events, want 2: %+v", len(events), events)
	}
	e := events[1]
	if e.Detail != "primary" || e.Since <= asked[1] || e.Since >= asked[2] || e.At <= asked[3] {
		t.Errorf("%+v, asked at %v", e, asked)
	}
	if r.asked[0].Load() != 4 {
		t.Errorf("%d answers were counted", r.asked[0].Load())
	}
}

func TestServingWaitsForThePrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := []*cluster.Node{{Name: "n1"}, {Name: "n2", Index: 1}}
		r := New(nil, nodes, history.NewClock(), nil)
		time.AfterFunc(time.Second, func() { r.said[1].Store(&said{role: targets.Primary}) })
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if all := r.Serving(ctx); all != nil {
			t.Errorf("%v serve before one is primary", all)
		}
		if all := r.Serving(t.Context()); !slices.Equal(all, []int{1}) {
			t.Errorf("%v serve", all)
		}
	})
}
