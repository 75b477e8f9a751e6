package ripple

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/ripple/server"
)

var (
	_ targets.Upgrader  = (*System)(nil)
	_ targets.Versioned = (*System)(nil)
)

// versions are the protocols of replication (server.Protocols), all of which the aftershock
// binary speaks.
func versions() []targets.Version {
	var list []targets.Version
	for _, p := range server.Protocols {
		list = append(list, targets.Version{Number: strconv.Itoa(p)})
	}
	return list
}

// setVersion takes the version that a node is to run; none is the newest.
func (s *System) setVersion(v version.Version) error {
	if v.None() {
		return nil
	}
	n, _ := v.Part(0)
	if _, more := v.Part(1); more || !slices.Contains(server.Protocols, int(n)) {
		return fmt.Errorf("target.version: ripple has no version %s: ask for one of %v", v, server.Protocols)
	}
	s.protocol = n
	return nil
}

// Version is the protocol that a node's status tells.
func (s *System) Version(ctx context.Context, n *cluster.Node) (string, error) {
	reply, err := ask(ctx, n, "STATUS")
	fields, err := redis.StringMap(reply, err)
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", n.Name, err)
	}
	return fields["version"], nil
}

// Mixed implements targets.Upgrader: a node speaks with those of the versions beside its own.
func (s *System) Mixed(primary, replica version.Version) error {
	a, _ := primary.Part(0)
	b, _ := replica.Part(0)
	if max(a, b)-min(a, b) > 1 {
		return fmt.Errorf("ripple %s and %s have no greeting in common: nodes of one cluster may be one version apart; go by the version between them", primary, replica)
	}
	return nil
}

// Step implements targets.Upgrader: the log is the same in all versions.
func (s *System) Step(version.Version, version.Version) error { return nil }

// Prepare implements targets.Upgrader.
func (s *System) Prepare(context.Context, targets.Upgrade) error { return nil }
