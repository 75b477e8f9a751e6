package drivers

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// visited is a store that somebody else runs.
type visited struct {
	*store
	asked targets.AttachConfig
}

func (v *visited) Attach(c targets.AttachConfig) (targets.Attached, error) {
	v.asked = c
	return v, nil
}
func (*visited) Port() int                                               { return 7000 }
func (*visited) Remove(context.Context, []*cluster.Node) error           { return nil }
func (*visited) Left(context.Context, []*cluster.Node) ([]string, error) { return nil, nil }
func (*visited) Settings(context.Context, *cluster.Node) ([]targets.Setting, error) {
	return nil, nil
}
func (v *visited) Enter(context.Context, targets.Door, []*cluster.Node, targets.ClientOptions) (targets.Client, int, error) {
	return client{v.store}, 1, nil
}

// TestSystemOfDeployment: a driver comes into a deployment as the plan says, with the keys
// that it was sent, and to the run's own objects.
func TestSystemOfDeployment(t *testing.T) {
	v := &visited{store: &store{}}
	words := plan.Words{Hosts: []string{plan.AutoHost, "local"}, Targets: []targets.Target{v}}
	plans, err := plan.Parse("plan.yaml", []byte(`
target:
  name: store
  attach: {nodes: ["10.0.0.1:7000", "10.0.0.2:7000"]}
  connect: {primary: "store://proxy:7000", user: app, password: "${NOT_SET_WHERE_THE_DRIVER_IS}"}
workloads: [{name: register, clients: 2, rate: 10/s}]
drivers: {count: 2, on: kubernetes}
duration: 1s
`), nil, words)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := nodesOf([]node{{"a", "10.0.0.1", 7000}, {"b", "10.0.0.2", 7000}})
	if err != nil {
		t.Fatal(err)
	}
	_, doors, err := systemOf(plans[0], nodes, &job{Objects: "aftershock_mine", Keys: attached.Keys{Password: "s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	if a := v.asked; a.Objects != "aftershock_mine" || a.Access.User != "app" || a.Access.Password != "s3cret" || len(a.Access.Doors) != 1 {
		t.Errorf("%+v", a)
	}
	if door, ok := doors.Of(&workloads.Request{Route: workloads.ToPrimary}); !ok || door != 0 {
		t.Errorf("writes go by door %d, %v", door, ok)
	}
	// A node that comes back elsewhere is met there.
	d := &driver{load: &load.Load{Clients: load.Clients{Nodes: nodes}}}
	d.move([]string{"10.0.0.1", "10.0.0.9"})
	var at []string
	for _, n := range nodes {
		at = append(at, n.At().String())
	}
	if want := []string{"10.0.0.1", "10.0.0.9"}; !slices.Equal(at, want) {
		t.Errorf("the nodes are at %q, want %q", at, want)
	}
}

// TestBeliefChanges: the drivers are told of every change, and of nothing else.
func TestBeliefChanges(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.1").String()
	b := belief{Primary: 1, Replicas: []bool{true, false}, Changes: 3, Addrs: []string{addr, addr}}
	if same := b; b.equal(nil) || !b.equal(&same) {
		t.Error("a belief is itself, and not none")
	}
	for name, change := range map[string]func(*belief){
		"primary": func(b *belief) { b.Primary = 0 },
		"roles":   func(b *belief) { b.Replicas = []bool{true, true} },
		"changes": func(b *belief) { b.Changes++ },
		"address": func(b *belief) { b.Addrs = []string{addr, "10.0.0.2"} },
	} {
		other := b
		if change(&other); b.equal(&other) {
			t.Errorf("another %s is taken for the same", name)
		}
	}
}
