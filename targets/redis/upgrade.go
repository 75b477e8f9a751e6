package redis

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

var _ targets.Upgrader = (*servers)(nil)

// Mixed implements targets.Upgrader: a newer server loads what an older one wrote (RDB), and
// an older one ends at a newer RDB version. A replica that has to be sent everything cannot
// follow a newer primary then, so that replicas are upgraded first.
func (s *servers) Mixed(primary, replica version.Version) error {
	if line(primary).Compare(line(replica)) <= 0 {
		return nil
	}
	return fmt.Errorf("%s %s may not follow %s: the primary sends its replicas an RDB file, and an older server refuses that of a newer one (\"Can't handle RDB format version\"): upgrade the replicas first, the primary last",
		s.brand.title, replica, primary)
}

// Step implements targets.Upgrader.
func (s *servers) Step(from, to version.Version) error {
	if line(to).Compare(line(from)) >= 0 {
		return nil
	}
	return fmt.Errorf("%s has no way back from %s to %s: an older server does not load what a newer one wrote (\"Can't handle RDB format version\")", s.brand.title, from, to)
}

// line is what servers have in common that write one RDB version at most: the major version
// and the minor one.
func line(v version.Version) version.Version { return v.Line(2) }

// Prepare implements targets.Upgrader. A primary that shuts down waits for its replicas
// itself (shutdown-timeout, from 7.0 on).
func (s *servers) Prepare(context.Context, targets.Upgrade) error { return nil }
