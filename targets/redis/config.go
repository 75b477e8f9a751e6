package redis

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// The files of a node. The servers rewrite them themselves when roles change,
// so a server that is started again plays the role that it had last.
const (
	serverFile   = cluster.DataDir + "/redis.conf"
	sentinelFile = cluster.DataDir + "/sentinel.conf"
)

// masterName is what the Sentinels call the replica set.
const masterName = "aftershock"

// serverConfig is redis.conf; of is the primary that the node replicates, nil
// for none. Nothing is kept on disk but the append-only file: a primary sends
// snapshots to its replicas over the wire, and what a replica has received is
// deleted again.
func (s settings) serverConfig(of *cluster.Node) string {
	var b strings.Builder
	for _, line := range [][2]string{
		{"bind", "* -::*"},
		{"protected-mode", "no"},
		{"port", fmt.Sprint(serverPort)},
		{"dir", cluster.DataDir},
		{"daemonize", "no"},
		{"save", `""`},
		{"appendonly", s.appendOnly},
		{"appendfsync", s.appendFsync},
		{"rdb-del-sync-files", "yes"},
		{"repl-diskless-sync", "yes"},
		{"repl-diskless-sync-delay", "0"},
		{"replica-read-only", "yes"},
		{"replica-serve-stale-data", s.serveStale},
		{"min-replicas-to-write", fmt.Sprint(s.minReplicas)},
		{"min-replicas-max-lag", fmt.Sprint(s.maxLag)},
	} {
		fmt.Fprintf(&b, "%s %s\n", line[0], line[1])
	}
	if of != nil {
		fmt.Fprintf(&b, "replicaof %s %d\n", of.Addr, serverPort)
	}
	return b.String()
}

// watch is how the Sentinels watch the primary; times are in milliseconds.
type watch struct {
	quorum, downAfter, failoverTimeout int
}

// config is the sentinel.conf of node i. It names the replicas and the other
// Sentinels, as a Sentinel that has found them writes it itself; else they
// would find each other in their first ten seconds.
func (w watch) config(nodes []*cluster.Node, i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "bind * -::*\nprotected-mode no\nport %d\ndir %s\ndaemonize no\n", sentinelPort, cluster.DataDir)
	fmt.Fprintf(&b, "sentinel myid %s\n", sentinelID(nodes[i]))
	fmt.Fprintf(&b, "sentinel monitor %s %s %d %d\n", masterName, nodes[0].Addr, serverPort, w.quorum)
	fmt.Fprintf(&b, "sentinel down-after-milliseconds %s %d\n", masterName, w.downAfter)
	fmt.Fprintf(&b, "sentinel failover-timeout %s %d\n", masterName, w.failoverTimeout)
	for j, n := range nodes {
		if j > 0 {
			fmt.Fprintf(&b, "sentinel known-replica %s %s %d\n", masterName, n.Addr, serverPort)
		}
		if j != i {
			fmt.Fprintf(&b, "sentinel known-sentinel %s %s %d %s\n", masterName, n.Addr, sentinelPort, sentinelID(n))
		}
	}
	return b.String()
}

// sentinelID is 40 hexadecimal digits that no other node has.
func sentinelID(n *cluster.Node) string {
	sum := sha1.Sum([]byte("aftershock sentinel " + n.Name))
	return hex.EncodeToString(sum[:])
}
