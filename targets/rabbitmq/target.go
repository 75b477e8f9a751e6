// Package rabbitmq runs RabbitMQ: quorum queues, classic queues and mirrored
// classic queues (before RabbitMQ 4), as one broker or as a cluster.
package rabbitmq

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Target is RabbitMQ as a target of plans.
type Target struct{}

// Names of the options.
const (
	optQueue      = "queue"
	optConfirms   = "publisher_confirms"
	optPartition  = "cluster_partition_handling"
	optPromote    = "ha-promote-on-failure"
	optSync       = "ha-sync-mode"
	optTicktime   = "net_ticktime"
	optSchedulers = "schedulers"
)

// Kinds of queues.
const (
	quorum   = "quorum"
	classic  = "classic"
	mirrored = "mirrored"
)

var server = targets.Server{
	Program: "rabbitmq-server",
	Search:  []string{"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server"},
	Install: "apt-get install rabbitmq-server",
}

// Info describes RabbitMQ.
func (Target) Info() targets.Info {
	return targets.Info{
		Name:  "rabbitmq",
		Tasks: tasksTold(),
		About: "RabbitMQ over AMQP 0-9-1: quorum, classic and mirrored queues; the primary is the node that leads the first queue",
		Options: []schema.Field{
			{Name: optQueue, Default: quorum, Words: []string{quorum, classic, mirrored},
				Meaning: "quorum: replicated by Raft on all nodes; classic: on one node; mirrored: classic with ha-mode all, before RabbitMQ 4"},
			{Name: optConfirms, Default: "true", Words: []string{"true", "false"},
				Meaning: "false: a message counts as enqueued when it has been written to the connection"},
			{Name: optPartition, Default: "pause_minority", Words: []string{"ignore", "pause_minority", "autoheal"},
				Meaning: "what nodes do that lose each other"},
			{Name: optPromote, Default: "always", Words: []string{"always", "when-synced"},
				Meaning: "queue: mirrored: whether a mirror that lacks messages may take over"},
			{Name: optSync, Default: "manual", Words: []string{"manual", "automatic"},
				Meaning: "queue: mirrored: whether a mirror that joins gets the messages that are there already"},
			{Name: optTicktime, Default: "3s", Meaning: "how long a silent node counts as present, whole seconds; RabbitMQ's own default is 60s"},
			{Name: optSchedulers, Default: "1", Meaning: "Erlang's scheduler threads per node"},
		},
		Kinds: []history.Kind{history.Enqueue, history.Dequeue, history.Drain},
		Modes: []targets.Mode{
			{Name: "single", About: "one broker, a durable classic queue", Options: map[string]string{optQueue: classic}},
			{Name: "quorum", About: "three nodes, a quorum queue", Replicas: 2, Options: map[string]string{optQueue: quorum}},
			{Name: "classic", About: "three nodes, a classic queue on one of them", Replicas: 2, Options: map[string]string{optQueue: classic}},
			{Name: "mirrored", About: "three nodes, a classic queue with two mirrors", Replicas: 2,
				Options: map[string]string{optQueue: mirrored, optSync: "automatic"}},
		},
		Servers:  []targets.Server{server},
		Versions: kit.Versions("rabbitmq", "rabbitmq:", "4.0", "3.10"),
	}
}

// hasMirrors are the versions that mirror classic queues.
var hasMirrors = version.MustRange("<4")

// noMirrors refuses mirrored queues.
func noMirrors(v version.Version) error {
	return fmt.Errorf("target.options.%s: %w: RabbitMQ %s has no mirrored queues, 4.0 removed them: ask for target.version: \"3.10\", or %s: %s",
		optQueue, targets.ErrVersion, v, optQueue, quorum)
}

// Configure validates the options. Errors name the option and the remedy.
func (t Target) Configure(c targets.Config) (targets.System, error) {
	o, err := kit.NewOptions(t.Info(), c)
	if err != nil {
		return nil, err
	}
	s := &System{nodes: 1 + c.Replicas, queue: o[optQueue], confirms: o[optConfirms] == "true",
		partition: o[optPartition], promote: o[optPromote], sync: o[optSync],
		cookie: fmt.Sprintf("aftershock-%016x", c.Seed)}
	if s.ticktime, err = o.Duration(optTicktime, time.Second, time.Hour); err != nil {
		return nil, err
	}
	if s.ticktime%time.Second != 0 {
		return nil, fmt.Errorf("target.options.%s: %v is not a whole number of seconds, as RabbitMQ wants it", optTicktime, s.ticktime)
	}
	if s.schedulers, err = o.Int(optSchedulers, 1, 1024); err != nil {
		return nil, err
	}
	for _, name := range []string{optPromote, optSync} {
		if _, set := c.Options[name]; set && s.queue != mirrored {
			return nil, fmt.Errorf("target.options.%s: it is for queue: mirrored, and this queue is %s", name, s.queue)
		}
	}
	if s.queue == mirrored && !c.Version.None() && !hasMirrors.MayHave(c.Version) {
		return nil, noMirrors(c.Version)
	}
	s.client.Dial, s.operator.Dial = dialClient, dialOperator
	return s, nil
}

// files are a node's configuration.
func (s *System) files(nodes []*cluster.Node, i int) map[string]string {
	var b strings.Builder
	for _, line := range []string{
		"listeners.tcp.default = " + strconv.Itoa(port),
		"loopback_users = none",
		"log.console = true",
		"log.console.level = info",
		"log.file = false",
		"heartbeat = " + strconv.Itoa(int(heartbeat/time.Second)),
		"net_ticktime = " + strconv.Itoa(int(s.ticktime/time.Second)),
		"cluster_partition_handling = " + s.partition,
		"cluster_formation.peer_discovery_backend = classic_config",
	} {
		b.WriteString(line + "\n")
	}
	// The first node boots by itself and the others join it: a node that looked
	// for the others before they are up would boot by itself as well.
	members := nodes[:1]
	if i > 0 {
		members = []*cluster.Node{nodes[0], nodes[i]}
	}
	for j, n := range members {
		fmt.Fprintf(&b, "cluster_formation.classic_config.nodes.%d = %s\n", j+1, nodeName(n))
	}
	return map[string]string{
		confFile:    b.String(),
		pluginsFile: "[].\n",
		cookieFile:  s.cookie,
		teller:      tellerSource,
	}
}
