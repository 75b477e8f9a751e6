package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// SentinelSystem is Redis replication that Sentinels fail over. It is not
// Operated: the harness only looks on.
type SentinelSystem struct {
	servers
	watch            watch
	sentinels, asked links // by the operator's way, and the clients'
}

var (
	_ targets.System    = (*SentinelSystem)(nil)
	_ targets.LagTeller = (*SentinelSystem)(nil)
	_ targets.Versioned = (*SentinelSystem)(nil)
)

func newSentinelSystem(b *brand, set settings, w watch) *SentinelSystem {
	s := &SentinelSystem{watch: w}
	s.init(b, set)
	s.sentinels.Dial, s.asked.Dial = byOperator(sentinelPort), byClients(sentinelPort)
	return s
}

// Close closes the kept connections.
func (s *SentinelSystem) Close() error {
	return errors.Join(s.servers.Close(), s.sentinels.Close(), s.asked.Close())
}

// Server is a redis-server and a Sentinel; node 0 is the first primary.
func (s *SentinelSystem) Server(nodes []*cluster.Node, i int) cluster.ServerSpec {
	var of *cluster.Node
	if i > 0 {
		of = nodes[0]
	}
	return cluster.ServerSpec{
		Command: kit.Serve(s.brand.sentinelName(), serverFile, sentinelFile),
		Files:   map[string]string{serverFile: s.serverConfig(of), sentinelFile: s.watch.config(nodes, i)},
		User:    s.brand.name,
	}
}

// Form waits until every replica has the primary's data and every Sentinel
// sees the others and all replicas, so that they could fail over at once.
func (s *SentinelSystem) Form(ctx context.Context, nodes []*cluster.Node) error {
	if len(nodes) == 0 {
		return errors.New("form the replica set: there are no nodes")
	}
	return kit.Each(nodes, func(i int) error {
		return kit.Retry(ctx, retryEvery, "form the replica set", func() error {
			bounded, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			st, err := s.Status(bounded, nodes[i])
			if err != nil {
				return err
			}
			if !st.Healthy || st.Epoch != 1 || (st.Role == targets.Primary) != (i == 0) {
				return fmt.Errorf("%s is not ready: %s", nodes[i].Name, st.Detail)
			}
			return s.sentinels.Use(bounded, nodes[i], func(l *link) error { return ready(bounded, l, len(nodes)) })
		})
	})
}

// ready tells whether a Sentinel sees enough to fail over.
func ready(ctx context.Context, l *link, nodes int) error {
	if _, err := l.ask(ctx, "SENTINEL", "CKQUORUM", masterName); err != nil {
		return fmt.Errorf("the Sentinels are not there yet: %w", err)
	}
	replicas, err := redigo.Values(l.ask(ctx, "SENTINEL", "REPLICAS", masterName))
	if err != nil {
		return fmt.Errorf("ask a Sentinel for the replicas: %w", err)
	}
	ready := 0
	for _, r := range replicas {
		fields, err := redigo.StringMap(r, nil)
		if err != nil {
			return fmt.Errorf("ask a Sentinel for the replicas: %w", err)
		}
		if fields["flags"] == "slave" && fields["master-link-status"] == "ok" {
			ready++
		}
	}
	if ready != nodes-1 {
		return fmt.Errorf("a Sentinel sees %d of %d replicas ready", ready, nodes-1)
	}
	return nil
}

// masterView is which server a Sentinel takes for the primary, and since which
// epoch.
type masterView struct {
	addr, port string
	runID      string // of the server's life; empty: not known
	epoch      uint64 // its config-epoch; the first one is 0
}

// askSentinel asks for the primary's address, as clients do, and for the epoch
// of that configuration.
func askSentinel(ctx context.Context, l *link, name string) (masterView, error) {
	addr, err := redigo.Strings(l.ask(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name))
	if err != nil {
		return masterView{}, err
	}
	fields, err := redigo.StringMap(l.ask(ctx, "SENTINEL", "MASTER", name))
	if err != nil {
		return masterView{}, err
	}
	epoch, err := strconv.ParseUint(fields["config-epoch"], 10, 64)
	if err != nil || len(addr) != 2 {
		return masterView{}, fmt.Errorf("a Sentinel tells the primary %q of epoch %q", addr, fields["config-epoch"])
	}
	return masterView{addr[0], addr[1], fields["runid"], epoch}, nil
}

// Status asks a node by the operator's way.
func (s *SentinelSystem) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return statusBeside(ctx, &s.operator, &s.sentinels, n)
}

// ClientStatus asks a node over the clients' network.
func (s *SentinelSystem) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return statusBeside(ctx, &s.clients, &s.asked, n)
}

// statusBeside asks a server and the Sentinel beside it.
func statusBeside(ctx context.Context, servers, sentinels *links, n *cluster.Node) (targets.Status, error) {
	var by masterView
	err := sentinels.Use(ctx, n, func(l *link) (err error) {
		by, err = askSentinel(ctx, l, masterName)
		return err
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask the Sentinel of %s for the primary: %w", n.Name, err)
	}
	var its server
	err = servers.Use(ctx, n, func(l *link) (err error) {
		its, err = askServer(ctx, l)
		return err
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	return combine(its, by, n.Addr.String()), nil
}

// combine makes one status of what a node's server and its Sentinel tell.
// Epochs are config-epochs counted from 1. A server that takes itself for the
// primary while its Sentinel names another one, or the reverse, has none: it is
// an old primary that the Sentinels have not re-pointed yet, or a new one that
// this Sentinel has not heard of.
func combine(its server, by masterView, addr string) targets.Status {
	st := its.status
	of := its.fields["master_host"]
	if st.Role == targets.Primary {
		of = addr
	}
	if of == by.addr {
		st.Epoch = by.epoch + 1
	}
	st.LogEpoch = st.Epoch
	st.Detail += fmt.Sprintf(" sentinel_master=%s config_epoch=%d", by.addr, by.epoch)
	return st
}
