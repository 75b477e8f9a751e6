package upgrades

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

// diary is a system, and the control of its nodes, that writes down what it is asked.
type diary struct {
	targets.System
	version string // that its servers say they are

	mu       *sync.Mutex
	lines    *[]string
	lagging  *int // how often a node says that it has not caught up
	failStop *bool
}

type control struct {
	cluster.Control
	*diary
	node int
}

func (d *diary) write(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*d.lines = append(*d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) Server(_ []*cluster.Node, i int) cluster.ServerSpec {
	return cluster.ServerSpec{Command: []string{fmt.Sprintf("server%d-%s", i, d.version)}}
}

func (d *diary) Status(_ context.Context, n *cluster.Node) (targets.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := targets.Status{Role: targets.Replica, Epoch: 1, Healthy: true}
	if n.Index == 0 {
		st.Role = targets.Primary
	}
	if *d.lagging > 0 {
		*d.lagging--
		st.Healthy = false
	}
	return st, nil
}

func (d *diary) Version(context.Context, *cluster.Node) (string, error) { return d.version, nil }

func (d *diary) Mixed(primary, replica version.Version) error {
	if primary.Compare(replica) > 0 {
		return errors.New("the replicas first")
	}
	return nil
}
func (d *diary) Step(from, to version.Version) error {
	if to.Compare(from) < 0 {
		return errors.New("no way back")
	}
	return nil
}
func (d *diary) Prepare(_ context.Context, u targets.Upgrade) error {
	d.write("prepare %d from %s to %s", u.Node, u.From, u.To)
	return nil
}

func (d *diary) Finish(_ context.Context, u targets.Upgrade) error {
	d.write("finish %d from %s to %s", u.Node, u.From, u.To)
	return nil
}

func (c control) Do(_ context.Context, a cluster.Action) (cluster.Effect, error) {
	if *c.failStop {
		return cluster.Effect{}, errors.New("it does not stop")
	}
	c.write("%s %d for %s", a.Kind, c.node, a.ID)
	return cluster.Effect{}, nil
}

func (c control) Start(_ context.Context, spec cluster.ServerSpec) error {
	c.write("start %s in %q", spec.Command[0], spec.Root)
	return nil
}

func parse(text string) version.Version { v, _ := version.Parse(text); return v }

func book(n int, images bool) (*Upgrades, *diary) {
	d := &diary{version: "1", mu: &sync.Mutex{}, lines: &[]string{}, lagging: new(int), failStop: new(bool)}
	c := Cluster{System: d, Systems: map[string]targets.System{}, Images: images, Primary: func() int { return 0 }}
	for _, v := range []string{"1", "2", "3"} {
		of := *d
		of.version = v
		c.Systems[v] = &of
	}
	for i := range n {
		c.Nodes = append(c.Nodes, &cluster.Node{Name: fmt.Sprintf("n%d", i+1), Index: i, Control: control{diary: d, node: i}})
		c.Starts = append(c.Starts, parse("1"))
	}
	return New(c), d
}

// all has every node upgraded by one fault, as the engine does it.
func all(u *Upgrades, fault, to string) []string {
	var among []int
	for i := range u.c.Nodes {
		among = append(among, i)
	}
	said := make([]string, len(among))
	var wg sync.WaitGroup
	for _, i := range among {
		wg.Go(func() {
			a := cluster.Action{Kind: cluster.Upgrade, ID: fault, To: to, Among: among}
			done, err := u.Turn(context.Background(), a, i)
			if err == nil {
				said[i], _, err = u.Upgrade(context.Background(), a, i)
				done(err)
			}
			if err != nil {
				said[i] = err.Error()
			}
		})
	}
	wg.Wait()
	return said
}

// TestOneAfterTheOther: the replicas come first, each is stopped and started as the other
// version in its file system, and the next one waits until it has caught up.
func TestOneAfterTheOther(t *testing.T) {
	for images, root := range map[bool]string{false: "", true: "2"} {
		synctest.Test(t, func(t *testing.T) {
			u, d := book(3, images)
			*d.lagging = 5
			said := all(u, "f1", "2")
			var want []string
			for _, i := range []int{1, 2, 0} {
				want = append(want, fmt.Sprintf("prepare %d from 1 to 2", i), fmt.Sprintf("stop %d for f1", i), fmt.Sprintf("start server%d-2 in %q", i, root), fmt.Sprintf("finish %d from 1 to 2", i))
			}
			if got := strings.Join(*d.lines, "\n"); got != strings.Join(want, "\n") {
				t.Errorf("images %v:\n%s", images, got)
			}
			if !strings.Contains(said[2], "n3 ran 1 and runs 2") {
				t.Errorf("it is said %q", said[2])
			}
			for i, v := range u.Runs() {
				if v.String() != "2" {
					t.Errorf("n%d runs %s", i+1, v)
				}
			}
			*d.lines = nil
			if words, changed, err := u.Upgrade(context.Background(), cluster.Action{To: "2"}, 1); changed || err != nil || !strings.Contains(words, "already") || len(*d.lines) > 0 {
				t.Errorf("the same again: %q, %v, %v, %v", words, changed, err, *d.lines)
			}
		})
	}
}

// TestOneThatFailsStopsTheRest: the others keep the servers that they have.
func TestOneThatFailsStopsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, d := book(3, false)
		*d.failStop = true
		said := all(u, "f1", "2")
		if !strings.Contains(said[1], "it does not stop") || !strings.Contains(said[2], "one before it failed") || !strings.Contains(said[0], "one before it failed") {
			t.Errorf("%q", said)
		}
		*d.failStop = false
		if said := all(u, "f2", "2"); !strings.Contains(said[0], "runs 2") {
			t.Errorf("another fault: %q", said)
		}
	})
}

// TestWhatIsForbiddenNow: what could not be known before the run is refused in it.
func TestWhatIsForbiddenNow(t *testing.T) {
	u, d := book(2, false)
	for _, test := range []struct {
		node     int
		to, want string
	}{{0, "2", "the replicas first"}, {1, "3", ""}, {1, "2", "no way back"}, {0, "4", "does not know"}} {
		_, _, err := u.Upgrade(t.Context(), cluster.Action{To: test.to}, test.node)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("n%d to %s: %v, want %q", test.node+1, test.to, err, test.want)
		}
	}
	if got := strings.Count(strings.Join(*d.lines, " "), "stop"); got != 1 {
		t.Errorf("%d servers were stopped", got)
	}
}

// TestAnotherServerThanAsked: what a server says that it is, is believed.
func TestAnotherServerThanAsked(t *testing.T) {
	u, _ := book(2, false)
	u.c.Systems["2"].(*diary).version = "1.9"
	_, changed, err := u.Upgrade(t.Context(), cluster.Action{To: "2"}, 1)
	if err == nil || !changed || !strings.Contains(err.Error(), `says that it is "1.9"`) {
		t.Errorf("%v, %v", changed, err)
	}
}
