package mariadb

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

var (
	_ targets.Upgrader = (*System)(nil)
	_ targets.Finisher = (*System)(nil)
	_ targets.Upgrader = (*GaleraSystem)(nil)
	_ targets.Finisher = (*GaleraSystem)(nil)
)

// Mixed implements targets.Upgrader: a replica reads the binary log of an older primary, and
// may not know what a newer one writes.
func (s *System) Mixed(primary, replica version.Version) error {
	if primary.Line(2).Compare(replica.Line(2)) <= 0 {
		return nil
	}
	return fmt.Errorf("MariaDB %s may not follow %s: a newer primary's binary log may have what an older replica does not know (mariadb.com/kb, Cross-Version Replication Compatibility): upgrade the replicas first, the primary last", replica, primary)
}

// Step implements targets.Upgrader.
func (s *System) Step(from, to version.Version) error { return onward(from, to) }

// onward tells why a server may not go on from the data of another.
func onward(from, to version.Version) error {
	if to.Line(2).Compare(from.Line(2)) >= 0 {
		return nil
	}
	return fmt.Errorf("MariaDB %s to %s: there is no way back between series, but a backup (mariadb.com/kb, Downgrading Between Major Versions of MariaDB)", from, to)
}

// Prepare implements targets.Upgrader: there is nothing to do. A primary that is shut down does
// not wait for its replicas; what no replica has by then is lost if another is promoted, as
// with any death.
func (s *System) Prepare(context.Context, targets.Upgrade) error { return nil }

// Finish implements targets.Finisher.
func (s *System) Finish(ctx context.Context, u targets.Upgrade) error { return renew(ctx, u) }

// series are those that Galera clusters have long stayed at, each with a documented rolling
// upgrade from the one before (mariadb.com/docs, Upgrading Galera Cluster).
var series = []string{"10.4", "10.5", "10.6", "10.11", "11.4", "11.8", "12.3"}

// Between these a way is documented that leaves series out.
var leastDirect, mostDirect = line("10.6"), line("11.8")

func line(text string) version.Version {
	v, _ := version.Find(text)
	return v
}

// Mixed implements targets.Upgrader, as the guides to upgrading Galera clusters say.
func (s *GaleraSystem) Mixed(a, b version.Version) error {
	older, newer := a.Line(2), b.Line(2)
	if newer.Compare(older) < 0 {
		older, newer = newer, older
	}
	for _, v := range []version.Version{older, newer} {
		if _, ok := v.Part(1); !ok {
			return fmt.Errorf("MariaDB %s: say which series is meant, as 11.8: what is allowed depends on it", v)
		}
	}
	if older.Compare(newer) == 0 || older.Compare(leastDirect) >= 0 && newer.Compare(mostDirect) <= 0 {
		return nil
	}
	var between []string
	for i, name := range series {
		if i > 0 && older.String() == series[i-1] && newer.String() == name {
			return nil
		}
		if v := line(name); v.Compare(older) > 0 && v.Compare(newer) < 0 {
			between = append(between, name)
		}
	}
	return fmt.Errorf("MariaDB %s and %s: no guide has them in one Galera cluster; there are guides from each of %s to the next, and from %s to %s (mariadb.com/docs, Upgrading Galera Cluster): go by %s",
		a, b, strings.Join(series, ", "), leastDirect, mostDirect, strings.Join(append(between, "one of these"), ", or "))
}

// Step implements targets.Upgrader.
func (s *GaleraSystem) Step(from, to version.Version) error {
	if err := s.Mixed(from, to); err != nil {
		return err
	}
	return onward(from, to)
}

// Prepare implements targets.Upgrader. A node that is shut down writes its position down and
// is sent what it missed from a donor's cache of write sets, of whatever version that is; a
// whole copy from a server of another version is what the guides warn of.
func (s *GaleraSystem) Prepare(context.Context, targets.Upgrade) error { return nil }

// Finish implements targets.Finisher.
func (s *GaleraSystem) Finish(ctx context.Context, u targets.Upgrade) error { return renew(ctx, u) }

// renew brings the system tables of a node's new server up to date, and no other node's:
// nothing of it is written to the binary log or replicated (--skip-write-binlog does both).
func renew(ctx context.Context, u targets.Upgrade) error {
	if u.From.Line(2).Compare(u.To.Line(2)) == 0 {
		return nil
	}
	n := u.Nodes[u.Node]
	said, err := n.Run(ctx, cluster.ServerSpec{User: serverUser, Command: []string{
		"mariadb-upgrade", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port=" + strconv.Itoa(port),
		"--user=" + operators, "--password=" + password, "--skip-write-binlog", "--upgrade-system-tables", "--silent",
	}})
	if err != nil {
		return fmt.Errorf("mariadb-upgrade on %s: %w: %.300s", n.Name, err, said)
	}
	return nil
}
