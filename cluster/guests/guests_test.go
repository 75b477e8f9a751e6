package guests

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a place of two nodes whose guests are noted, and of which the second moves.
type place struct {
	*Deployment
	addrs [2][]netip.Addr
	nodes [2]*node
}

type node struct {
	*Node
	guest  *agent.Client
	runs   bool
	refuse error
}

func (n *node) Can(context.Context, cluster.ActionKind) error { return n.refuse }
func (n *node) Invite(context.Context) error                  { return n.refuse }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func newPlace(t *testing.T) *place {
	p := &place{Deployment: NewDeployment(t.Context(), nil)}
	p.addrs = [2][]netip.Addr{{addr("10.0.0.1")}, {addr("10.0.0.2"), addr("fd00::2")}}
	for i := range p.nodes {
		n := &node{runs: true}
		n.Node = NewNode(p.Deployment, &cluster.Node{Name: []string{"db1", "db2"}[i], Index: i, Addr: p.addrs[i][0]}, Via{
			Network: func(ctx context.Context) (*agent.Client, error) {
				return Meet(ctx, n.Node, time.Minute, func() (*agent.Client, bool) { return n.guest, n.runs })
			},
			Now: func() *agent.Client { return n.guest },
			Whom: func(a netip.Addr) Whom {
				for i, addrs := range p.addrs {
					if slices.Contains(addrs, a) {
						return func(int) []netip.Addr { return p.addrs[i] }
					}
				}
				return nil
			},
		})
		p.nodes[i] = n
		p.Add(n)
	}
	t.Cleanup(func() {
		if p.End() {
			p.Ended()
		}
	})
	return p
}

// doer notes what it is asked for, by the peers of the rules.
type doer struct {
	asked []string
	err   error
}

func (d *doer) Do(_ context.Context, a cluster.Action) (cluster.Effect, error) {
	line := string(a.Kind) + " " + a.ID
	for _, r := range a.Rules {
		line += " " + r.Peer.String()
	}
	d.asked = append(d.asked, line)
	return cluster.Effect{}, d.err
}

// Rules mean nodes, by all their addresses, and follow them to others; those of a fault
// that could not be begun, or is over, come back with no guest.
func TestRulesFollow(t *testing.T) {
	p, d := newPlace(t), &doer{}
	r := p.nodes[0].Rules
	block := cluster.Action{Kind: cluster.Block, ID: "f1", Rules: []cluster.Rule{{Peer: addr("10.0.0.2")}, {Peer: addr("10.9.9.9")}}}
	if _, err := r.Block(t.Context(), block, d.Do); err != nil || !r.Wished() {
		t.Fatal(err, r.Wished())
	}
	d.err = errors.New("no guest")
	again := block
	again.ID = "f2"
	if _, err := r.Block(t.Context(), again, d.Do); !errors.Is(err, d.err) {
		t.Error(err)
	}
	d.err, p.addrs[1] = nil, []netip.Addr{addr("10.0.0.7")}
	if err := r.Apply(t.Context(), d); err != nil {
		t.Error(err)
	}
	effect, err := r.Unblock(t.Context(), cluster.Action{Kind: cluster.Unblock, ID: "f1"}, d.Do)
	if err != nil || !effect.Changed || r.Wished() {
		t.Error(err, effect, r.Wished())
	}
	if err := r.Apply(t.Context(), d); err != nil {
		t.Error(err)
	}
	want := "block f1 10.0.0.2 fd00::2 10.9.9.9; block f2 10.0.0.2 fd00::2 10.9.9.9; " +
		string(agent.Replace) + " f1 10.0.0.7 10.9.9.9; unblock f1"
	if got := strings.Join(d.asked, "; "); got != want {
		t.Errorf("asked:\n%s\nwant:\n%s", got, want)
	}
}

// A guest is waited for, but not where none was invited, or the node does not run.
func TestMeet(t *testing.T) {
	p := newPlace(t)
	n := p.nodes[0]
	meet := func() error {
		_, err := n.via(t.Context())
		return err
	}
	if err := meet(); !errors.Is(err, ErrUninvited) {
		t.Error("before Invite:", err)
	}
	if err := p.Invite(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := p.Invite(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, ErrInvited) {
		t.Error("twice:", err)
	}
	met := make(chan error)
	go func() { met <- meet() }()
	n.Change(func() { n.guest = new(agent.Client) })
	if err := <-met; err != nil {
		t.Error(err)
	}
	n.Change(func() { n.guest, n.runs = nil, false })
	if err := meet(); !errors.Is(err, ErrDown) {
		t.Error("down:", err)
	}
	n.Change(func() { n.runs = true })
	go func() { met <- meet() }()
	p.Stop()
	if err := <-met; !errors.Is(err, agent.ErrLost) {
		t.Error("after the end:", err)
	}
}

// What a node refuses is told with its name; a node that has ended tells no exits.
func TestNodes(t *testing.T) {
	p := newPlace(t)
	p.nodes[1].refuse = errors.New("no tool")
	err := p.Can(t.Context(), cluster.Pause)
	if !errors.Is(err, cluster.ErrCannot) || err.Error() != "pause on db2: not possible here: no tool" {
		t.Error(err)
	}
	if err := p.Invite(t.Context(), func(context.Context) error { return nil }); err == nil || !strings.Contains(err.Error(), "db2: no tool") {
		t.Error(err)
	}
	n := p.nodes[0]
	n.TellExit(cluster.Exit{Code: 3})
	n.Mu.Lock()
	n.EndExits()
	n.EndExits()
	n.Mu.Unlock()
	n.TellExit(cluster.Exit{Code: 4})
	var codes []int
	for e := range n.Exits() {
		codes = append(codes, e.Code)
	}
	if !slices.Equal(codes, []int{3}) || !n.IsEnded() {
		t.Error(codes)
	}
	n.NotePause(cluster.Action{Kind: cluster.Pause, Process: "postgres"})
	n.NotePause(cluster.Action{Kind: cluster.Pause})
	n.NotePause(cluster.Action{Kind: cluster.Resume, Process: "postgres"})
	if len(n.Paused) != 1 || !n.Paused[""] {
		t.Error(n.Paused)
	}
	n.Tell(cluster.Change{Kind: cluster.Gone})
	p.nodes[1].Tell(cluster.Change{Kind: cluster.Moved})
	if a, b := <-p.Changes(), <-p.Changes(); a.Node != 0 || b.Node != 1 {
		t.Error(a, b)
	}
}
