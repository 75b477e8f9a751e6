package operator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// store is a system of which nobody asks for anything but its status.
type store struct {
	targets.System
	targets.Operated
}

func (store) Status(context.Context, *cluster.Node) (targets.Status, error) {
	return targets.Status{Role: targets.Replica}, nil
}

// machine is a node that gets answers from the others' machines.
type machine struct {
	cluster.Control
	answers map[netip.Addr]error

	mu    sync.Mutex
	ports []uint16 // that it looked at
}

func (m *machine) Probe(_ context.Context, addr netip.AddrPort, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ports = append(m.ports, addr.Port())
	return m.answers[addr.Addr()]
}

// TestWhoReachesWhom: a machine that refuses is reached as well as one that takes the
// connection, no server is connected to for it, and one look tells of both directions.
func TestWhoReachesWhom(t *testing.T) {
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}) }
	refused := fmt.Errorf("probe: %w", cluster.ErrRefused)
	silent := errors.New("i/o timeout")
	answers := [][]error{{nil, silent, nil}, {refused, nil, silent}, {silent, silent, nil}}
	var nodes []*cluster.Node
	var machines []*machine
	for i := range answers {
		m := &machine{answers: map[netip.Addr]error{}}
		for j, err := range answers[i] {
			m.answers[address(j)] = err
		}
		machines = append(machines, m)
		nodes = append(nodes, &cluster.Node{Name: fmt.Sprintf("n%d", i+1), Index: i, Addr: address(i), Control: m})
	}
	o := New(store{}, nodes, plan.Failover{After: time.Second, Choose: "most-advanced"}, 1, history.NewClock(), nil, nil, nil)
	want := [][]bool{{false, true, true}, {true, false, false}, {true, false, false}}
	if got := o.observe(t.Context()).reach; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for i, m := range machines {
		if !reflect.DeepEqual(m.ports, []uint16{nobodysPort}) {
			t.Errorf("n%d looked at the ports %v", i+1, m.ports)
		}
	}
	o.Members = func(node int) bool { return node != 1 }
	if got := o.observe(t.Context()).reach; got[0][1] || got[1][0] || !got[0][2] {
		t.Errorf("who is no member is reached: %v", got)
	}
}
