package agent

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
	"github.com/aftershock-chaos/aftershock/cluster/agent/process"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
)

// power is what a node loses with its power, and gets back by a restart.
type power struct {
	processes *process.Supervisor
	firewall  *network.Firewall
	disk      *volume.Volume // nil: the data directory is on none

	mu   sync.Mutex
	dark []string // IDs of those that have cut off the network
}

var errNoVolume = errors.New("the node's data directory is on no volume that could lose anything: have the plan ask for one (target.disk)")

func (p *power) can() error {
	if p.disk == nil {
		return errNoVolume
	}
	return nil
}

// everyone are the peers of a network that is lost.
var everyone = []cluster.Rule{
	{Peer: netip.IPv4Unspecified(), In: true, Out: true},
	{Peer: netip.IPv6Unspecified(), In: true, Out: true},
}

// cut is the node's loss of power: in this order the network is cut off, if it is
// to be, the volume's gate closes, and all processes are killed, so that nobody
// hears of what will be lost but by what was sent before. It took effect when the
// gate was closed.
func (p *power) cut(a cluster.Action) (cluster.Effect, error) {
	loss := cluster.Loss{}
	if a.Loss != nil {
		loss = *a.Loss
	}
	if loss.Network {
		if err := p.darken(a.ID); err != nil {
			return cluster.Effect{}, err
		}
	}
	counts := map[string]uint64{}
	effect, err := p.processes.Cut(a.ID, func() (effect cluster.Effect, err error) {
		effect.At, counts[cluster.Writes], counts[cluster.Syncs], err = p.disk.Cut()
		return effect, err
	}, p.disk.Away)
	if err != nil {
		return cluster.Effect{}, fmt.Errorf("cut the power: %w", err)
	}
	lost, err := p.disk.Back(loss, a.Seed)
	if err != nil {
		return cluster.Effect{}, fmt.Errorf("make the data directory what the disk had of it: %w", err)
	}
	counts[cluster.PagesLost], counts[cluster.PagesKept] = uint64(lost.Pages), uint64(lost.Kept)
	counts[cluster.NamesLost], counts[cluster.BytesLost] = uint64(lost.Names), uint64(lost.Bytes)
	maps.DeleteFunc(counts, func(_ string, n uint64) bool { return n == 0 })
	effect.Changed = effect.Changed || lost.Pages+lost.Names > 0
	effect.Counts = counts
	return effect, nil
}

// darken cuts off the node's network, but for the control channel.
func (p *power) darken(id string) error {
	if _, err := p.firewall.Block(cluster.Action{ID: id, Rules: everyone}); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dark = append(p.dark, id)
	return nil
}

// restart gives the node its network back, in which nothing is left of the
// connections that it had, and starts the server.
func (p *power) restart(a cluster.Action) (cluster.Effect, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.dark) > 0 {
		if err := network.ForgetConnections(); err != nil {
			return cluster.Effect{}, err
		}
	}
	for len(p.dark) > 0 {
		if _, err := p.firewall.Unblock(cluster.Action{ID: p.dark[0]}); err != nil {
			return cluster.Effect{}, err
		}
		p.dark = p.dark[1:]
	}
	return p.processes.Restart(a)
}
