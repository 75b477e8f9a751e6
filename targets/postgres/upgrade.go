package postgres

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

var _ targets.Upgrader = (*servers)(nil)

// Mixed implements targets.Upgrader, as the documentation of log-shipping standby servers
// says (Planning).
func (s *servers) Mixed(primary, replica version.Version) error {
	if sameMajor(primary, replica) {
		return nil
	}
	return fmt.Errorf("PostgreSQL %s and %s: \"log shipping between servers running different major PostgreSQL release levels is not possible\" (postgresql.org/docs, Log-Shipping Standby Servers, Planning): stay within one major version", primary, replica)
}

// Step implements targets.Upgrader: minor releases never change how data is stored, and a
// major version needs pg_upgrade, or a dump.
func (s *servers) Step(from, to version.Version) error {
	if sameMajor(from, to) {
		return nil
	}
	return fmt.Errorf("PostgreSQL %s to %s: for major releases \"the internal data storage format is subject to change\" (postgresql.org/docs, Upgrading a PostgreSQL Cluster): a server does not start on the data of another major version, which pg_upgrade or a dump has to bring over while nothing runs; stay within one major version", from, to)
}

func sameMajor(a, b version.Version) bool {
	x, _ := a.Part(0)
	y, _ := b.Part(0)
	return x == y
}

// Prepare implements targets.Upgrader.
func (s *servers) Prepare(context.Context, targets.Upgrade) error { return nil }
