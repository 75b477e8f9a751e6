package network

import (
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Block adds a.Rules to the rules that the fault a.ID has already.
func (f *Firewall) Block(a cluster.Action) (cluster.Effect, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.openLocked(); err != nil {
		return cluster.Effect{}, err
	}
	if err := f.installed.check(a.ID, a.Rules); err != nil {
		return cluster.Effect{}, err
	}
	counted, err := f.addCounters()
	if err != nil {
		return cluster.Effect{}, err
	}
	next := counted.with(a.ID, a.Rules)
	if err := f.apply(next); err != nil {
		return cluster.Effect{}, err
	}
	f.installed = next
	return cluster.Effect{At: time.Now(), Changed: len(a.Rules) > 0}, nil
}

// Replace makes a.Rules those of the fault a.ID in place of what it has, at once.
// What they have counted is kept.
func (f *Firewall) Replace(a cluster.Action) (cluster.Effect, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.openLocked(); err != nil {
		return cluster.Effect{}, err
	}
	if err := f.installed.check(a.ID, a.Rules); err != nil {
		return cluster.Effect{}, err
	}
	counted, err := f.addCounters()
	if err != nil {
		return cluster.Effect{}, err
	}
	next := counted.replaced(a.ID, a.Rules)
	if err := f.apply(next); err != nil {
		return cluster.Effect{}, err
	}
	f.installed = next
	return cluster.Effect{At: time.Now(), Changed: true}, nil
}

// Unblock removes the rules of the fault a.ID. The effect's Dropped is how many
// packets they matched, its Lapsed for how long they were not in force.
func (f *Firewall) Unblock(a cluster.Action) (cluster.Effect, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.installed.has(a.ID) {
		return cluster.Effect{At: time.Now()}, nil
	}
	if err := f.openLocked(); err != nil {
		return cluster.Effect{}, err
	}
	counted, err := f.addCounters()
	if err != nil {
		return cluster.Effect{}, err
	}
	next := counted.without(a.ID)
	if err := f.apply(next); err != nil {
		return cluster.Effect{}, err
	}
	f.installed = next
	return cluster.Effect{At: time.Now(), Dropped: counted.dropped[a.ID], Changed: true, Lapsed: f.lapses.take(a.ID)}, nil
}
