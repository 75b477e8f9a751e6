package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var (
	_ targets.Attacher = Target{}
	_ targets.Attacher = Sentinel{}
)

// Attached is Redis that somebody else runs. Its failover is theirs, by Sentinels
// or otherwise.
type Attached struct {
	servers
	login    *login
	objects  string
	patience time.Duration
	watchers *watchers // nil: no door is of Sentinels
	epochs   *epochs
	whose    kit.Whose
	turns    atomic.Uint64 // of replicas, through Sentinels

	made kit.Made // what Form has made
}

var (
	_ targets.Attached  = (*Attached)(nil)
	_ targets.LagTeller = (*Attached)(nil)
	_ targets.Versioned = (*Attached)(nil)
)

// patience is how long Form waits for a deployment that is just failing over.
const patience = 5 * time.Second

// Attach implements targets.Attacher. A database is a number, 0 without one.
func (t Target) Attach(c targets.AttachConfig) (targets.Attached, error) {
	return attach(t.brand(), t.Info(), c)
}

// Attach implements targets.Attacher.
func (t Sentinel) Attach(c targets.AttachConfig) (targets.Attached, error) {
	return attach(t.brand(), t.Info(), c)
}

func attach(b *brand, info targets.Info, c targets.AttachConfig) (targets.Attached, error) {
	o, err := kit.AttachOptions(info, c.Config, optWait, optWaitTimeout)
	if err != nil {
		return nil, err
	}
	set, err := newSettings(o, c.Replicas)
	if err != nil {
		return nil, err
	}
	s := &Attached{login: &login{Access: c.Access}, objects: c.Objects, patience: patience, epochs: newEpochs()}
	if s.login.database, err = database(c.Access.Database); err != nil {
		return nil, err
	}
	for _, d := range c.Access.Doors {
		if err := checkDoor(d); err != nil {
			return nil, err
		}
		if d.Kind == sentinelDoor && s.watchers == nil {
			s.watchers = newWatchers(s.login, d)
		}
	}
	s.init(b, set)
	s.prefix = []byte(c.Objects + ":")
	s.operator.Dial, s.clients.Dial = s.login.byOperator, s.login.straight
	return s, nil
}

// database is the number of a database, 0 for none.
func database(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("target.connect: the database %q is no number: write redis://host:port/0", text)
	}
	return n, nil
}

// Close closes the kept connections.
func (s *Attached) Close() error {
	err := s.servers.Close()
	if s.watchers != nil {
		err = errors.Join(err, s.watchers.links.Close())
	}
	return err
}

// Port is the servers' own, where a place knows none.
func (*Attached) Port() int { return serverPort }

// Server is never called: the servers run already.
func (*Attached) Server([]*cluster.Node, int) cluster.ServerSpec { return cluster.ServerSpec{} }

// Connect opens a connection straight to a node.
func (s *Attached) Connect(ctx context.Context, n *cluster.Node, o targets.ClientOptions) (targets.Client, error) {
	ctx, dial, cancel := kit.Connecting(ctx, o)
	defer cancel()
	conn, err := s.login.dial(ctx, dial, kit.ServerAddress(n, serverPort), s.login.database)
	if err != nil {
		return nil, fmt.Errorf("connect to %s on %s: %w", s.brand.title, n.Name, err)
	}
	c := s.client(conn, o)
	c.made = &s.consumers
	return c, nil
}

// Status asks a node by the operator's way, or straight where that does not work.
func (s *Attached) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.status(ctx, &s.operator, n)
}

// ClientStatus asks a node over the clients' network.
func (s *Attached) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.status(ctx, &s.clients, n)
}

// status asks a node. Where Sentinels are a door their configuration's epoch,
// counted from 1, is that of the primary that they mean, and of all that has its
// replication history. Elsewhere there are no epochs.
func (s *Attached) status(ctx context.Context, by *links, n *cluster.Node) (targets.Status, error) {
	var its server
	err := by.Use(ctx, n, func(l *link) (err error) {
		its, err = askSections(ctx, l, "server", "replication", "persistence")
		return err
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, s.login.explain(err))
	}
	st := its.status
	if s.watchers == nil {
		return st, nil
	}
	replid := its.fields["master_replid"]
	if st.Role == targets.Primary {
		if view, ok := s.watchers.view(ctx); ok && view.is(its.fields["run_id"], n) {
			s.epochs.means(replid, view.epoch+1)
		}
	}
	st.Epoch = s.epochs.log(replid)
	st.LogEpoch = st.Epoch
	return st, nil
}

// Form makes the run's first key through the primary, and waits until every node
// shows it. Before, it looks whether that will work, and changes nothing if not.
func (s *Attached) Form(ctx context.Context, nodes []*cluster.Node) error {
	s.made.Begin()
	var primary *cluster.Node
	err := kit.Insist(ctx, kit.LookEvery, s.patience, func(ctx context.Context) (err error) {
		primary, err = kit.ThePrimary(ctx, nodes, serverPort, s.Status)
		return err
	})
	if err != nil {
		return fmt.Errorf("look at the deployment: %w", err)
	}
	if err := s.operator.Use(ctx, primary, func(l *link) error { return s.mark(ctx, l) }); err != nil {
		return fmt.Errorf("make the run's first key on %s: %w", primary.Name, s.login.explain(err))
	}
	return kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, kit.LookEvery, "wait until "+nodes[i].Name+" shows the run's first key", func() error { return s.shows(ctx, nodes[i]) })
	})
}

// oldest is the first version, as servers tell it that are compatible with Redis,
// in which a script says that it writes.
const oldest = 7

// begun ends the key that a run begins with.
const begun = ":begun"

func (s *Attached) begunKey() string { return s.objects + begun }

// mark makes the run's first key, if its user may do all that the run needs.
func (s *Attached) mark(ctx context.Context, l *link) error {
	text, err := redigo.String(l.ask(ctx, "INFO", "server"))
	if err != nil {
		return err
	}
	// The clients' scripts tell a server which of them write, and queues move with LMOVE.
	is := parseInfo(text)["redis_version"]
	first, _, _ := strings.Cut(is, ".")
	if major, err := strconv.Atoi(first); err == nil && major < oldest {
		return fmt.Errorf("%w: it is Redis %s, and a run needs %d or later", targets.ErrVersion, is, oldest)
	}
	if err := s.mayAll(ctx, l); err != nil {
		return err
	}
	made, err := l.ask(ctx, "SET", s.begunKey(), 1, "NX")
	if refused := redigo.Error(""); made != nil || err != nil && !errors.As(err, &refused) {
		s.made.Something() // whatever became of it, where the server does not refuse it
	}
	if err == nil && made == nil {
		err = fmt.Errorf("%s is there already: an earlier run left it: aftershock clean", s.begunKey())
	}
	return err
}

// mayAll asks the server to take every command of a run, on keys of its own, into a
// transaction, and drops that: what it would refuse it refuses at once.
func (s *Attached) mayAll(ctx context.Context, l *link) error {
	if _, err := l.ask(ctx, "MULTI"); err != nil {
		return err
	}
	key, other := s.objects+":r", s.objects+":q"
	var refused error
	for _, c := range [][]any{
		{"ROLE"}, {"INFO"}, {"GET", key}, {"SET", key, 1}, {"MGET", key}, {"INCR", key}, {"INCRBY", key, 1}, {"SADD", other, 1}, {"SMEMBERS", other},
		{"RPUSH", other, 1}, {"LRANGE", other, 0, -1}, {"LLEN", other}, {"LMOVE", other, key, "LEFT", "RIGHT"}, {"LREM", other, 1, 1},
		{"EVAL", compareAndSet, 1, key, "", 1}, {"SCAN", 0, "MATCH", s.objects + ":*"}, {"UNLINK", key}, {"WAIT", 0, 1},
	} {
		_, err := l.ask(ctx, c[0].(string), c[1:]...)
		var said redigo.Error
		if err != nil && !errors.As(err, &said) {
			return err
		}
		if err != nil && refused == nil {
			refused = fmt.Errorf("%s: %w", c[0], err)
		}
	}
	if _, err := l.ask(ctx, "DISCARD"); err != nil {
		return err
	}
	return refused
}

// shows tells whether a node has the run's first key.
func (s *Attached) shows(ctx context.Context, n *cluster.Node) error {
	bounded, cancel := context.WithTimeout(ctx, kit.LookTimeout)
	defer cancel()
	return s.operator.Use(bounded, n, func(l *link) error {
		reply, err := l.ask(bounded, "GET", s.begunKey())
		if err == nil && reply == nil {
			err = errors.New("it does not: a replica that does not replicate?")
		}
		return err
	})
}

// runs is how the keys of all runs begin.
const runs = "aftershock_"

// scanBatch is how many keys are looked at, and taken away, in one go.
const scanBatch = 1000

// Remove takes the run's keys away, on every node that takes itself for the primary.
// After a Form that came to make none there is nothing to do.
func (s *Attached) Remove(ctx context.Context, nodes []*cluster.Node) error {
	if s.made.None() {
		return nil
	}
	primaries, err := kit.Primaries(ctx, nodes, s.Status)
	if err == nil {
		err = kit.Each(primaries, func(i int) error {
			return s.operator.Use(ctx, primaries[i], func(l *link) error { return s.unlink(ctx, l) })
		})
	}
	if err != nil {
		return fmt.Errorf("remove the keys %s:*: %w", s.objects, s.login.explain(err))
	}
	return nil
}

// unlink takes the first key away last: by it Left knows what runs have made.
func (s *Attached) unlink(ctx context.Context, l *link) error {
	err := scan(ctx, l, s.objects+":*", func(keys []any) error {
		keys = slices.DeleteFunc(keys, func(key any) bool { return string(key.([]byte)) == s.begunKey() })
		if len(keys) == 0 {
			return nil
		}
		_, err := l.ask(ctx, "UNLINK", keys...)
		return err
	})
	if err == nil {
		_, err = l.ask(ctx, "UNLINK", s.begunKey())
	}
	return err
}

// Left lists what other runs have left, by what their keys begin with.
func (s *Attached) Left(ctx context.Context, nodes []*cluster.Node) ([]string, error) {
	primaries, err := kit.Primaries(ctx, nodes, s.Status)
	found := map[string]bool{}
	for _, n := range primaries {
		if err != nil {
			break
		}
		err = kit.Ask(ctx, &s.operator, n, func(l *link) error {
			return scan(ctx, l, runs+"*"+begun, func(keys []any) error {
				for _, key := range keys {
					found[strings.TrimSuffix(string(key.([]byte)), begun)] = true
				}
				return nil
			})
		})
	}
	if err != nil {
		return nil, fmt.Errorf("look for keys %s*: %w", runs, s.login.explain(err))
	}
	delete(found, s.objects)
	return sorted(found), nil
}

// scan calls f with the keys of a pattern, each a []byte, some at a time.
func scan(ctx context.Context, l *link, pattern string, f func(keys []any) error) error {
	for cursor := "0"; ; {
		reply, err := redigo.Values(l.ask(ctx, "SCAN", cursor, "MATCH", pattern, "COUNT", scanBatch))
		if err != nil {
			return err
		}
		var list [][]byte
		if _, err := redigo.Scan(reply, &cursor, &list); err != nil {
			return fmt.Errorf("%w to SCAN: %w", errReply, err)
		}
		keys := make([]any, len(list))
		for i, key := range list {
			keys[i] = key
		}
		if len(keys) > 0 {
			if err := f(keys); err != nil {
				return err
			}
		}
		if cursor == "0" {
			return nil
		}
	}
}

func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for name := range set {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
