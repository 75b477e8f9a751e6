package nats

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

var _ targets.Upgrader = (*System)(nil)

// Mixed implements targets.Upgrader: a cluster is upgraded one server at a time, each of
// which waits until /healthz says that it is well.
func (s *System) Mixed(a, b version.Version) error {
	x, _ := a.Part(0)
	y, _ := b.Part(0)
	if x != y {
		return fmt.Errorf("nats-server %s and %s are not of one major version: their servers do not make a cluster", a, b)
	}
	return nil
}

// Step implements targets.Upgrader. Before 2.10 streams were stored otherwise.
func (s *System) Step(from, to version.Version) error {
	if to.Line(2).Compare(from.Line(2)) >= 0 {
		return nil
	}
	return fmt.Errorf("nats-server %s to %s: the way back is supported to the patch release before, \"downgrades to earlier versions may work, but is not recommended\" (docs.nats.io, Upgrading a Cluster): a stream may have what an older server does not know",
		from, to)
}

// Prepare implements targets.Upgrader.
func (s *System) Prepare(context.Context, targets.Upgrade) error { return nil }
