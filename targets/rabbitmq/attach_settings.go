package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// Settings asks a node for what matters to durability.
func (s *Attached) Settings(ctx context.Context, n *cluster.Node) ([]targets.Setting, error) {
	version, err := s.Version(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its settings: %w", n.Name, err)
	}
	list := []targets.Setting{{Name: "version", Value: version}, s.queueType()}
	answer, err := s.told.ask(ctx, n, "Line(Settings())")
	if errors.Is(err, errNoWay) {
		return append(list, targets.Setting{Name: "rights", Value: "AMQP alone",
			Warning: "AMQP tells no configuration, who leads a queue, nor which queues there are: that needs rabbitmqctl beside the server"}), nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s for its settings: %w", n.Name, err)
	}
	return append(list, s.settings(parse(answer))...), nil
}

func (s *Attached) queueType() targets.Setting {
	t := targets.Setting{Name: "queue type", Value: s.of.queue}
	if s.of.queue == classic {
		t.Warning = "a classic queue is on one node: its messages cannot be reached while that is away, and are gone if its disk is"
	}
	return t
}

// settings are in the order in which one would look at them.
func (s *Attached) settings(facts map[string]string) []targets.Setting {
	number := func(name string) int64 {
		n, err := strconv.ParseInt(facts[name], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	of := func(name, fact, warning string, bad bool) targets.Setting {
		t := targets.Setting{Name: name, Value: facts[fact]}
		if bad {
			t.Warning = warning
		}
		return t
	}
	members, running, group := number("members"), number("running"), number("group")
	handling := facts["partition_handling"]
	warnings := map[string]string{
		"ignore":   "nodes that lose each other go on as two clusters: classic queues are declared and used on both sides",
		"autoheal": "after a partition the losing side's nodes start anew, and what classic queues took there is thrown away",
	}
	list := []targets.Setting{
		of("cluster members", "members", "an even number of nodes stands no more failures than one node less", members > 0 && members%2 == 0),
		of("running members", "running", "not all members run: a quorum is nearer to its end", running >= 0 && running < members),
	}
	if s.of.queue == quorum {
		list = append(list, of("quorum group size", "group", "a queue of fewer than 3 members stands no failure", group >= 0 && group < 3))
	}
	return append(list,
		of("cluster_partition_handling", "partition_handling", warnings[handling], warnings[handling] != ""),
		of("net_ticktime", "ticktime", "", false),
		of("disk_free_limit", "disk_free_limit", "the server takes messages until its disk is nearly full, and may stop for good then", number("disk_free_limit") >= 0 && number("disk_free_limit") < 1<<30),
		of("disk free", "disk_free", "there is less than the limit: publishers are blocked", number("disk_free") >= 0 && number("disk_free") < number("disk_free_limit")),
		of("alarms", "alarms", "publishers are blocked until the alarm is over", facts["alarms"] != "[]"))
}
