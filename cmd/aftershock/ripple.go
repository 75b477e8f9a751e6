package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/targets/ripple"
	"github.com/aftershock-chaos/aftershock/targets/ripple/server"
)

// rippleCommand runs one node of the built-in store. It is also what the nodes
// of a run execute.
func rippleCommand() *cobra.Command {
	var o server.Options
	var replication, fsync, apply string
	var peers []string
	c := &cobra.Command{
		Use:   "ripple",
		Short: "Run one node of ripple, the built-in replicated store",
		Long: `Run one node of ripple, a small primary/replica key-value store that speaks RESP2:
redis-cli and any Redis client can talk to it.

A fresh node is a replica without a primary. The operator's commands make a
cluster of nodes: PROMOTE epoch member… on one, FOLLOW host:port epoch on the
others. A node keeps its role and its data in --data over a restart.`,
		Example: `  aftershock ripple --name n1 --data /tmp/n1 --listen :7001 --peer n2=127.0.0.1:7002
  aftershock ripple --name n2 --data /tmp/n2 --listen :7002 --peer n1=127.0.0.1:7001
  redis-cli -p 7001 PROMOTE 1 n2
  redis-cli -p 7002 FOLLOW 127.0.0.1:7001 1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Replication, o.Fsync, o.Apply = server.Replication(replication), server.Fsync(fsync), server.Apply(apply)
			var err error
			if o.Peers, err = parsePeers(peers); err != nil {
				return err
			}
			o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
			return ripple.Serve(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Name, "name", "", "the node's name")
	f.StringVar(&o.Listen, "listen", fmt.Sprintf(":%d", server.DefaultPort), "TCP address to listen on")
	f.StringVar(&o.Data, "data", "", "directory of the log and the node's role")
	f.StringArrayVar(&peers, "peer", nil, "another node, as name=host:port (repeatable; give all others)")
	f.StringVar(&replication, "replication", string(server.Async), strings.Join(server.Replications, ", "))
	f.StringVar(&fsync, "fsync", string(server.FsyncInterval), strings.Join(server.Fsyncs, ", "))
	f.DurationVar(&o.FsyncInterval, "fsync-interval", server.DefaultFsyncInterval, "time between two syncs with --fsync interval")
	f.StringVar(&apply, "apply", string(server.Serial), strings.Join(server.Applies, ", "))
	f.DurationVar(&o.ReplayCost, "replay-cost", 0, "CPU time to spend per applied record")
	f.DurationVar(&o.ReadLease, "read-lease", server.DefaultReadLease,
		"with --replication sync: how long after the replicas' last sign of life reads are served")
	f.StringArrayVar(&o.Bugs, "bug", nil, "a deliberate defect (repeatable): "+strings.Join(server.BugNames(), ", "))
	f.IntVar(&o.BugN, "bug-n", server.DefaultBugN, "a random defect strikes one in so many times")
	f.Float64Var(&o.Capacity, "capacity", 0, "clients' commands on data that the node answers in a second (0: as many as it can)")
	f.Float64Var(&o.Slow, "slow", 0, "share by which every client's command on data takes longer: 0.2 is a fifth")
	f.IntVar(&o.Protocol, "protocol", server.Protocols[0], "the node's version: 1, 2 or 3; neighbours can be in one cluster")
	f.Uint64Var(&o.Seed, "seed", 0, "of the defects' random choices")
	return c
}

func parsePeers(list []string) (map[string]string, error) {
	peers := make(map[string]string, len(list))
	for _, p := range list {
		name, addr, ok := strings.Cut(p, "=")
		if _, twice := peers[name]; !ok || twice {
			return nil, fmt.Errorf("--peer %q: want name=host:port, each name once", p)
		}
		peers[name] = addr
	}
	return peers, nil
}
