package rabbitmq

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

var _ targets.Upgrader = (*System)(nil)

// series are RabbitMQ's, each with the one that it can be upgraded from by a rolling
// upgrade (rabbitmq.com/docs/upgrade, version upgradability).
var series = []string{"3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "4.0", "4.1", "4.2"}

// Mixed implements targets.Upgrader.
func (s *System) Mixed(a, b version.Version) error {
	x, err := placeOf(a)
	if err != nil {
		return err
	}
	y, err := placeOf(b)
	if err != nil {
		return err
	}
	if max(x, y)-min(x, y) > 1 {
		return fmt.Errorf("RabbitMQ %s and %s: \"rolling upgrades don't support skipping versions, except patch releases\" (rabbitmq.com/docs/rolling-upgrade): go by %s", a, b, between(x, y))
	}
	return nil
}

// Step implements targets.Upgrader.
func (s *System) Step(from, to version.Version) error {
	if err := s.Mixed(from, to); err != nil {
		return err
	}
	if to.Line(2).Compare(from.Line(2)) < 0 {
		return fmt.Errorf("RabbitMQ %s to %s: downgrades are not supported: feature flags that were enabled cannot be disabled (rabbitmq.com/docs/feature-flags)", from, to)
	}
	return nil
}

// placeOf is the place of a version's series.
func placeOf(v version.Version) (int, error) {
	for i, name := range series {
		if v.Line(2).String() == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("RabbitMQ %s: it is not known how this series is upgraded; known are %v", v, series)
}

// between are the series between two.
func between(x, y int) string {
	words := ""
	for i := min(x, y) + 1; i < max(x, y); i++ {
		if words != "" {
			words += ", "
		}
		words += series[i]
	}
	return words
}

// Prepare implements targets.Upgrader: every stable feature flag has to be enabled before.
func (s *System) Prepare(ctx context.Context, u targets.Upgrade) error {
	if u.From.Line(2).String() == u.To.Line(2).String() {
		return nil
	}
	return tools{u.Nodes[u.Node]}.run(ctx, "rabbitmqctl", "enable_feature_flag", "all")
}
