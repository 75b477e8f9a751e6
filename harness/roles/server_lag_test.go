package roles

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// teller is a system whose nodes tell their lag by a function.
type teller struct {
	targets.System
	tell func(ctx context.Context, n int) ([]targets.Lag, error)
}

func (t teller) ServerLag(ctx context.Context, _ []*cluster.Node, n int) ([]targets.Lag, error) {
	return t.tell(ctx, n)
}

// recordedEvents keeps events of many goroutines.
type recordedEvents struct {
	mu     sync.Mutex
	events []history.Event
	fail   error
}

func (r *recordedEvents) append(e history.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	return r.fail
}

func threeNodes() []*cluster.Node {
	return []*cluster.Node{{Name: "n1"}, {Name: "n2", Index: 1}, {Name: "n3", Index: 2}}
}

// TestLagAsker: every node is asked four times a second; one that hangs and
// one that fails leave gaps of their own and hold nobody up.
func TestLagAsker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := teller{tell: func(ctx context.Context, n int) ([]targets.Lag, error) {
			switch n {
			case 0:
				return []targets.Lag{{Node: 1, Source: "replay", Time: 3 * time.Millisecond, Bytes: -1}, {Node: 2, Source: "replay", Time: -1, Bytes: 0},
					{Node: 2, Time: -1, Bytes: -1}, {Node: 3, Time: 1}, {Node: -1, Time: 1}}, nil
			case 1:
				<-ctx.Done() // a paused node
				return nil, ctx.Err()
			}
			return []targets.Lag{{Node: 1, Time: time.Hour}}, errors.New("half an answer is none")
		}}
		var got recordedEvents
		a := NewLagAsker(system, threeNodes(), history.NewClock(), got.append)
		ctx, cancel := context.WithTimeout(t.Context(), 2100*time.Millisecond)
		defer cancel()
		if err := a.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(got.events) != 2*8 {
			t.Fatalf("%d events, want two of each of eight answers: %+v", len(got.events), got.events)
		}
		for i, e := range got.events {
			at := int64(250*time.Millisecond) * int64(1+i/2)
			switch {
			case e.Kind != history.EventLag || e.By != "n1" || e.Name != "replay" || e.At != at:
				t.Errorf("event %d is %+v", i, e)
			case i%2 == 0 && (e.Node != "n2" || e.Lag == nil || *e.Lag != int64(3*time.Millisecond) || e.Bytes != nil):
				t.Errorf("event %d is %+v", i, e)
			case i%2 == 1 && (e.Node != "n3" || e.Lag != nil || e.Bytes == nil || *e.Bytes != 0):
				t.Errorf("event %d is %+v", i, e)
			}
		}
	})
}

// TestLagAskerBoundsAnAnswer: a call that outlives its context's deadline is
// the System's fault, but the deadline is there.
func TestLagAskerBoundsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bounds []time.Duration
		var mu sync.Mutex
		system := teller{tell: func(ctx context.Context, n int) ([]targets.Lag, error) {
			deadline, ok := ctx.Deadline()
			if !ok {
				t.Error("no deadline")
			}
			mu.Lock()
			bounds = append(bounds, time.Until(deadline))
			mu.Unlock()
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		a := NewLagAsker(system, threeNodes()[:1], history.NewClock(), func(history.Event) error { return nil })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := a.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(bounds) < 3 || slices.ContainsFunc(bounds, func(d time.Duration) bool { return d > serverLagTimeout }) {
			t.Errorf("bounds are %v", bounds)
		}
	})
}

func TestLagAskerStopsWhenNothingCanBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := recordedEvents{fail: errors.New("the disk is full")}
		system := teller{tell: func(context.Context, int) ([]targets.Lag, error) { return []targets.Lag{{Node: 1}}, nil }}
		if err := NewLagAsker(system, threeNodes(), history.NewClock(), full.append).Run(t.Context()); !errors.Is(err, full.fail) {
			t.Errorf("got %v", err)
		}
		if len(full.events) != 3 {
			t.Errorf("%d tries, want one of each node", len(full.events))
		}
	})
}

func TestNoLagAskerForOtherSystems(t *testing.T) {
	if a := NewLagAsker(stating{}, threeNodes(), history.NewClock(), nil); a != nil {
		t.Error("a system that tells no lag is asked for it")
	}
}
