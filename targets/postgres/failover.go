package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// stopGrace is how long an old primary may take to shut down before it is killed.
const stopGrace = time.Second

// Promote makes node p the primary of a new timeline. It names the standbys
// that will follow before it is promoted, so that no commit of its is
// acknowledged without them; and they leave the old primary before, so that no
// commit of that one's, should it come back just now, is acknowledged by them.
// A node that is a primary already stays one.
func (s *System) Promote(ctx context.Context, nodes []*cluster.Node, p int, followers []int, epoch uint64) error {
	wrap := func(err error) error {
		return fmt.Errorf("promote %s in epoch %d: %w", nodes[p].Name, epoch, err)
	}
	if err := s.enoughSeen(p, followers); err != nil {
		return wrap(err)
	}
	if err := s.fence(ctx, nodes, p, followers); err != nil {
		return wrap(err)
	}
	list := s.quorum.list(names(nodes, followers))
	err := operate(ctx, nodes[p], func(c *session) error {
		if err := c.exec(ctx, setting("synchronous_standby_names", list), reload); err != nil {
			return err
		}
		if err := promote(ctx, c); err != nil {
			return err
		}
		rows, err := c.query(ctx, statusQuery)
		if err != nil {
			return err
		}
		r, err := parseReport(rows, c.segment)
		if err != nil {
			return err
		}
		s.members.promoted(epoch, r.timeline)
		return nil
	})
	if err != nil {
		return wrap(err)
	}
	s.members.set(followers)
	return nil
}

// fence makes the followers leave the old primary, if it waits for standbys.
func (s *System) fence(ctx context.Context, nodes []*cluster.Node, p int, followers []int) error {
	if !s.waits() {
		return nil
	}
	some := make([]*cluster.Node, len(followers))
	for j, i := range followers {
		some[j] = nodes[i]
	}
	return kit.Each(some, func(j int) error {
		return operate(ctx, some[j], func(c *session) error {
			_, err := point(ctx, c, conninfo(nodes[p].Addr.String(), some[j].Name))
			return err
		})
	})
}

// enoughSeen tells whether one of the nodes that the operator sees surely has
// every acknowledged commit; the operator promotes the most advanced of them.
func (s *System) enoughSeen(p int, followers []int) error {
	if !s.waits() {
		return nil // such an acknowledgement promises nothing about standbys
	}
	listed := s.members.get()
	seen := 0
	for _, i := range listed {
		if i == p || slices.Contains(followers, i) {
			seen++
		}
	}
	if need := s.quorum.survivors(len(listed)); len(listed) > 0 && seen < need {
		return fmt.Errorf("of the old primary's %d synchronous standbys %d can be reached, %d are needed: an acknowledged commit may be on the others alone",
			len(listed), seen, need)
	}
	return nil
}

// setting is the statement that makes a parameter's value lasting.
func setting(name, value string) string { return "ALTER SYSTEM SET " + name + " = " + literal(value) }

const reload = "SELECT pg_reload_conf()"

// promote ends a server's recovery and waits for it.
func promote(ctx context.Context, c *session) error {
	standby, err := c.value(ctx, "SELECT pg_is_in_recovery()")
	if err != nil || standby == "f" {
		return err
	}
	wait := kit.DefaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = max(time.Until(deadline), time.Second)
	}
	done, err := c.value(ctx, "SELECT pg_promote(true, "+strconv.Itoa(int(wait/time.Second))+")")
	if err == nil && done != "t" {
		err = fmt.Errorf("pg_promote did not end in %s", wait.Round(time.Second))
	}
	return err
}

// Follow points a standby to the primary p. A node whose log has gone past the
// fork of the primary's timeline, as an old primary's, is stopped and started
// again to be rewound; Follow does not wait for that. A standby that has caught
// up is added to those that the primary counts on.
func (s *System) Follow(ctx context.Context, nodes []*cluster.Node, i, p int, epoch uint64) error {
	err := s.follow(ctx, nodes, i, p, epoch)
	if err != nil {
		return fmt.Errorf("make %s follow %s in epoch %d: %w", nodes[i].Name, nodes[p].Name, epoch, err)
	}
	return nil
}

func (s *System) follow(ctx context.Context, nodes []*cluster.Node, i, p int, epoch uint64) error {
	var primary, node report
	var ancestors forks
	err := operate(ctx, nodes[p], func(c *session) (err error) {
		primary, ancestors, err = lineage(ctx, c)
		return err
	})
	if err != nil {
		return err
	}
	if primary.standby {
		return fmt.Errorf("%s is a standby itself", nodes[p].Name)
	}
	err = operate(ctx, nodes[i], func(c *session) (err error) {
		node, err = point(ctx, c, conninfo(nodes[p].Addr.String(), nodes[i].Name))
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case node.timeline == 0:
		return fmt.Errorf("%s does not tell the timeline of its log", nodes[i].Name)
	case !node.standby, node.timeline != primary.timeline && !ancestors.covers(node.timeline, node.position):
		return s.rejoin(ctx, nodes, i, p, epoch, !node.standby && node.timeline == primary.timeline)
	case s.quorum.n > 0 && !s.members.has(i) && node.timeline == primary.timeline && node.caughtUp():
		return s.count(ctx, nodes, i, p)
	}
	return nil
}

// lineage asks a primary for its report and where its ancestors ended.
func lineage(ctx context.Context, c *session) (report, forks, error) {
	rows, err := c.query(ctx, statusQuery)
	if err != nil {
		return report{}, nil, err
	}
	r, err := parseReport(rows, c.segment)
	if err != nil || r.timeline <= 1 {
		return r, nil, err
	}
	text, err := c.value(ctx, fmt.Sprintf("SELECT pg_read_file('pg_wal/%08X.history')", r.timeline))
	if err != nil {
		return r, nil, err
	}
	f, err := parseForks(text)
	return r, f, err
}

// point makes a standby receive from a primary and returns its report.
func point(ctx context.Context, c *session, from string) (report, error) {
	if current, err := c.value(ctx, "SELECT current_setting('primary_conninfo')"); err != nil {
		return report{}, err
	} else if current != from {
		if err := c.exec(ctx, setting("primary_conninfo", from), reload); err != nil {
			return report{}, err
		}
	}
	rows, err := c.query(ctx, statusQuery)
	if err != nil {
		return report{}, err
	}
	return parseReport(rows, c.segment)
}

// count adds node i to the standbys that the primary p counts on.
func (s *System) count(ctx context.Context, nodes []*cluster.Node, i, p int) error {
	return s.members.change(func(listed []int) ([]int, error) {
		listed = append(listed, i)
		return listed, operate(ctx, nodes[p], func(c *session) error {
			return c.exec(ctx, setting("synchronous_standby_names", s.quorum.list(names(nodes, listed))), reload)
		})
	})
}

var errStopped = errors.New("its server does not run any more")

// rejoin starts node i anew as a standby of p. clone asks for a new copy: two
// primaries of one timeline have a common past that pg_rewind cannot tell.
func (s *System) rejoin(ctx context.Context, nodes []*cluster.Node, i, p int, epoch uint64, clone bool) error {
	l := launch{Data: cluster.DataDir, Name: nodes[i].Name, Primary: nodes[p].Addr.String(), Settings: s.settings(),
		Rejoin: fmt.Sprintf("epoch %d, %d", epoch, s.rejoins.Add(1)), Clone: clone}
	effect, err := nodes[i].Do(ctx, cluster.Action{Kind: cluster.Stop, Grace: stopGrace})
	if err != nil {
		return err
	}
	if !effect.Changed {
		return errStopped // whoever stopped it starts it again
	}
	return nodes[i].Start(ctx, l.spec())
}
