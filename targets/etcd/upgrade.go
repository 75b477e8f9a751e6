package etcd

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Upgrader = (*System)(nil)

// Mixed implements targets.Upgrader, as etcd's guide to upgrades says: members of
// neighbouring minor versions are in one cluster while it is upgraded, which then speaks
// the older version's protocol.
func (s *System) Mixed(primary, replica version.Version) error {
	_, err := minors(primary, replica)
	return err
}

// Step implements targets.Upgrader. Downgrades are there from 3.6 on (3.5 can only be taken
// back before the last member is upgraded).
func (s *System) Step(from, to version.Version) error {
	down, err := minors(from, to)
	if err != nil {
		return err
	}
	if minor, _ := from.Part(1); down && minor < 6 {
		return fmt.Errorf("etcd %s cannot be downgraded: `etcdctl downgrade` is there from 3.6 on (etcd.io/docs/v3.6/downgrades)", from)
	}
	return nil
}

// minors tells whether b is of an older minor version than a, or why they may not meet.
func minors(a, b version.Version) (down bool, err error) {
	majorA, _ := a.Part(0)
	majorB, _ := b.Part(0)
	x, okA := a.Part(1)
	y, okB := b.Part(1)
	switch {
	case !okA || !okB:
		return false, fmt.Errorf("say which minor versions of etcd are meant, as 3.6: what is allowed depends on them")
	case majorA != majorB || max(x, y)-min(x, y) > 1:
		return false, fmt.Errorf("etcd %s and %s: etcd supports one minor version at a time: \"upgrades that skip a minor version are not supported and will likely fail\" (etcd.io/docs, Upgrading); go by the versions between them", a, b)
	}
	return y < x, nil
}

// Prepare implements targets.Upgrader: before the first member is downgraded, the cluster is
// told to go back (`etcdctl downgrade enable`), and has done so when every member stores its
// data as the older version does.
func (s *System) Prepare(ctx context.Context, u targets.Upgrade) error {
	if down, _ := minors(u.From, u.To); !down {
		return nil
	}
	to := u.To.Line(2).String()
	return kit.Retry(ctx, retryEvery, "downgrade enable "+to, func() error {
		var notYet error
		for _, i := range u.Members {
			st, err := s.storage(ctx, u, i)
			if err != nil {
				return err
			}
			if stored, ok := version.Find(st.StorageVersion); !ok || stored.Compare(u.To.Line(2)) <= 0 {
				continue // a server that tells none is of the older version, or stores as that does
			}
			notYet = fmt.Errorf("%s stores as %s", u.Nodes[i].Name, st.StorageVersion)
			if st.Leader == st.Header.MemberId {
				notYet = errors.Join(notYet, s.enable(ctx, u, i, to))
			}
		}
		return notYet
	})
}

// storage is what a member says of how it stores its data.
func (s *System) storage(ctx context.Context, u targets.Upgrade, i int) (*clientv3.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return ask(ctx, &s.operators, u.Nodes[i])
}

// enable asks the leader to have the cluster go back.
func (s *System) enable(ctx context.Context, u targets.Upgrade, leader int, to string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := s.operators.Use(ctx, u.Nodes[leader], func(c *conn) error {
		_, err := c.maintenance.Downgrade(ctx, clientv3.DowngradeEnable, to)
		return err
	})
	if err != nil {
		return fmt.Errorf("downgrade enable %s: %w", to, err)
	}
	return nil
}
