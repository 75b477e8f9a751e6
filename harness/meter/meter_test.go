package meter

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNode answers with how often it was asked.
type fakeNode struct {
	cluster.Control
	silent bool
	asked  int64
}

func (f *fakeNode) Usage(ctx context.Context) (cluster.Usage, error) {
	if f.silent {
		<-ctx.Done()
		return cluster.Usage{}, ctx.Err()
	}
	f.asked++
	u := cluster.Usage{At: time.Now(), Set: usage.None()}
	u.Set[usage.CPU] = f.asked
	return u, nil
}

// unmetered is a node of a host whose agents tell nothing.
type unmetered struct{ cluster.Control }

// TestSilentNodesHoldNobodyUp: one node that does not answer leaves a gap, and the
// others are asked four times a second all the same, and once more at the end.
func TestSilentNodesHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		count := map[int]int{}
		m := Meter{Clock: history.NewClock(),
			Nodes:  []*cluster.Node{{Control: &fakeNode{}}, {Control: &fakeNode{silent: true}}, {Control: unmetered{}}},
			Record: func(s usage.Sample) error { mu.Lock(); defer mu.Unlock(); count[s.Node]++; return nil }}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if count[0] != 42 || count[1] != 0 || count[2] != 0 || count[usage.Machine] != 42 || count[usage.Harness] != 42 {
			t.Errorf("in 10 s there were samples: %v", count)
		}
	})
}

// TestSyncsThroughRestarts: a count that begins anew goes on from what it was.
func TestSyncsThroughRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := []int64{3, 5, -1, 1, 4, 4, 0, 2} // the last one after the end
		var got []int64
		m := Meter{Clock: history.NewClock(), Nodes: []*cluster.Node{{Control: unmetered{}}},
			Record: func(s usage.Sample) error {
				if s.Node == 0 {
					got = append(got, s.Set[usage.Syncs])
				}
				return nil
			},
			Syncs: func(context.Context, *cluster.Node) (int64, error) {
				n := said[0]
				if said = said[1:]; n < 0 {
					return 0, errors.New("it is down")
				}
				return n, nil
			}}
		ctx, cancel := context.WithTimeout(t.Context(), 1600*time.Millisecond)
		defer cancel()
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if want := []int64{3, 5, 6, 9, 9, 9, 11}; !slices.Equal(got, want) {
			t.Errorf("the counts are %v, not %v", got, want)
		}
	})
}

func TestErrorsOfRecordingEnd(t *testing.T) {
	full := errors.New("full")
	m := Meter{Clock: history.NewClock(), Record: func(usage.Sample) error { return full }}
	if err := m.Run(t.Context()); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

func TestParse(t *testing.T) {
	busy, steal, processors := parseStat("cpu  100 20 30 4000 500 6 7 80 900 1\ncpu0 1 1\ncpu1 1 1\nintr 5\n")
	if busy != 163*tick || steal != 80*tick || processors != 2 {
		t.Errorf("got %d, %d of %d", busy, steal, processors)
	}
	if busy, _, _ := parseStat("intr 1"); busy != usage.Unknown {
		t.Errorf("of nothing it is told %d", busy)
	}
	if bytes, threads := parseStatus("RssAnon:\t  10 kB\nRssFile:\t 99 kB\nRssShmem:\t 2 kB\nThreads:\t5\n"); bytes != 12*1024 || threads != 5 {
		t.Errorf("got %d, %d", bytes, threads)
	}
}
