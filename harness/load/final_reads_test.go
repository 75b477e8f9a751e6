package load

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/roles"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// stating is a system whose nodes say that they have these roles.
type stating struct {
	targets.System
	roles []targets.Role
}

func (s stating) ClientStatus(_ context.Context, n *cluster.Node) (targets.Status, error) {
	return targets.Status{Role: s.roles[n.Index], Epoch: 1}, nil
}

// finalLog does the final operations of three nodes in the given roles and tells
// what was recorded, as "kind node outcome elements", drains in their order.
func finalLog(t *testing.T, said []targets.Role, answer func(node int, op *history.Op)) []string {
	t.Helper()
	nodes := []*cluster.Node{{Name: "n1"}, {Name: "n2", Index: 1}, {Name: "n3", Index: 2}}
	system := &scripted{answer: answer}
	path := filepath.Join(t.TempDir(), "history.arrows")
	recorder, err := history.NewRecorder(path, history.Meta{Nodes: []string{"n1", "n2", "n3"},
		Workloads: []history.WorkloadMeta{{Type: "set"}, {Type: "queue"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	clock := history.NewClock()
	asked := roles.New(stating{roles: said}, nodes, clock, func(history.Event) {})
	asked.Refresh(t.Context())
	finals := &Finals{History: recorder, Serving: asked.Serving, Limit: time.Second, Clients: Clients{System: system, Nodes: nodes, Clock: clock,
		Primary: asked.Primary, Options: targets.ClientOptions{ConnectTimeout: time.Second, OpTimeout: time.Second}}}
	for _, spec := range []workloads.Spec{{Type: "set"}, {Type: "queue", Keys: 2}} {
		w, err := workloads.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		finals.Workloads = append(finals.Workloads, w)
	}
	finals.ReadNodes(context.Background())
	finals.DrainQueues(context.Background())
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for i := range log.Ops {
		op := &log.Ops[i]
		if !op.Final() {
			t.Errorf("%v is not final", op)
		}
		told = append(told, strings.TrimSpace(fmt.Sprintf("%s%d n%d %s %v", op.Kind, op.Key, op.Node+1, op.Outcome, op.Elements)))
	}
	return told
}

func TestDrainsGoThroughTheServingNodesInTurn(t *testing.T) {
	const primary, replica, peer = targets.Primary, targets.Replica, targets.Peer
	for name, test := range map[string]struct {
		said []targets.Role
		want []string
	}{
		"primary":   {[]targets.Role{replica, primary, replica}, []string{"drain0 n2", "drain1 n2"}},
		"peers":     {[]targets.Role{peer, peer, ""}, []string{"drain0 n1", "drain1 n1", "drain0 n2", "drain1 n2"}},
		"no answer": {[]targets.Role{replica, "", ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var order []string
			draining := 0
			told := finalLog(t, test.said, func(node int, op *history.Op) {
				mu.Lock()
				defer mu.Unlock()
				if op.Kind == history.Drain {
					draining++
					order = append(order, fmt.Sprintf("drain%d n%d", op.Key, node+1))
				} else if draining > 0 {
					t.Errorf("a %s of n%d came after a drain", op.Kind, node+1)
				}
				op.Outcome = history.OK
			})
			if !slices.Equal(order, test.want) {
				t.Errorf("drained %v, want %v", order, test.want)
			}
			if reads := len(told) - len(order); reads != 3 {
				t.Errorf("%d final reads: %v", reads, told)
			}
		})
	}
}

// TestWhatIsGoneIsNothing: a node that goes on saying that what holds the data
// does not exist has answered that it holds nothing; one that said so once has not.
func TestWhatIsGoneIsNothing(t *testing.T) {
	var mu sync.Mutex
	tries := map[int]int{}
	told := finalLog(t, []targets.Role{targets.Primary, targets.Replica, targets.Replica}, func(node int, op *history.Op) {
		mu.Lock()
		defer mu.Unlock()
		tries[node]++
		op.Outcome, op.Error = history.OK, history.ErrNone
		switch {
		case op.Kind == history.Drain:
			op.Elements = append(op.Elements[:0], 9)
		case node == 0 || node == 1 && tries[node] == 1:
			op.Elements = append(op.Elements, 4)
			op.Outcome, op.Error = history.Fail, history.ErrGone
		case node == 1:
			op.Elements = append(op.Elements[:0], 5)
		default:
			op.Outcome, op.Error = history.Fail, history.ErrServer
		}
	})
	want := []string{"readset0 n1 ok []", "readset0 n2 ok [5]", "readset0 n3 fail []"}
	for _, line := range want {
		if !slices.Contains(told, line) {
			t.Errorf("%q is not among %q", line, told)
		}
	}
	if tries[0] < 3 {
		t.Errorf("n1 was believed after %d tries", tries[0])
	}
}

func TestEveryTryOfADrainIsRecorded(t *testing.T) {
	tries := map[history.Kind]int{}
	var mu sync.Mutex
	told := finalLog(t, []targets.Role{targets.Primary, targets.Replica, targets.Replica}, func(node int, op *history.Op) {
		mu.Lock()
		defer mu.Unlock()
		op.Outcome = history.OK
		if node > 0 && op.Kind == history.ReadSet {
			op.Elements = append(op.Elements, 3) // as n1 has in the end
		}
		if node > 0 || op.Key > 0 {
			return
		}
		tries[op.Kind]++
		if op.Kind == history.Drain && op.Value != history.Nil {
			t.Errorf("the value of a drain begins as %d", op.Value)
		}
		op.Elements = append(op.Elements, int64(tries[op.Kind]))
		if tries[op.Kind] < 3 {
			op.Outcome = []history.Outcome{history.Fail, history.Unknown}[tries[op.Kind]-1]
		}
	})
	slices.Sort(told)
	want := []string{"drain0 n1 fail [1]", "drain0 n1 ok [3]", "drain0 n1 unknown [2]", "drain1 n1 ok []",
		"readset0 n1 ok [3]", "readset0 n2 ok [3]", "readset0 n3 ok [3]"}
	if !slices.Equal(told, want) {
		t.Errorf("recorded %v, want %v", told, want)
	}
}

func TestNodesThatDifferAreReadAgain(t *testing.T) {
	for name, test := range map[string]struct {
		late int // reads of n2 that lack an element
		want int // reads of every node
	}{
		"they agree":            {0, 1},
		"one answers late":      {2, 3},
		"one never catches up":  {100, finalRounds},
		"one is late only once": {1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			reads := map[int]int{}
			told := finalLog(t, []targets.Role{targets.Primary, targets.Replica, targets.Replica}, func(node int, op *history.Op) {
				mu.Lock()
				defer mu.Unlock()
				op.Outcome = history.OK
				if op.Kind != history.ReadSet {
					return
				}
				reads[node]++
				switch {
				case node == 1 && reads[node] <= test.late:
					op.Elements = append(op.Elements, 1)
				case node == 2:
					op.Elements = append(op.Elements, 2, 1) // the order of a set is nobody's
				default:
					op.Elements = append(op.Elements, 1, 2)
				}
			})
			if want := map[int]int{0: test.want, 1: test.want, 2: test.want}; !maps.Equal(reads, want) {
				t.Errorf("%v reads by node, want %v", reads, want)
			}
			if n := len(told) - 2; n != 3*test.want {
				t.Errorf("%d final reads were recorded: %v", n, told)
			}
		})
	}
}
