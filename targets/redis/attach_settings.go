package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// asked are the parameters that matter to durability, in the order in which one
// would look at them.
var asked = []string{"appendonly", "appendfsync", "save", "min-replicas-to-write", "min-replicas-max-lag",
	"replica-serve-stale-data", "maxmemory", "maxmemory-policy", "repl-diskless-load"}

// facts are what a server tells of its configuration.
type facts struct {
	info   map[string]string
	of     map[string]string // by parameter; what is not there is not told
	hidden error             // why the user is not told the parameters
}

// Settings asks a node for what matters to durability.
func (s *Attached) Settings(ctx context.Context, n *cluster.Node) ([]targets.Setting, error) {
	f := facts{of: map[string]string{}}
	err := kit.Ask(ctx, &s.operator, n, func(l *link) error {
		text, err := redigo.String(l.ask(ctx, "INFO"))
		if err != nil {
			return err
		}
		f.info = parseInfo(text)
		for _, name := range asked {
			pair, err := redigo.Strings(l.ask(ctx, "CONFIG", "GET", name))
			var said redigo.Error
			if errors.As(err, &said) {
				f.hidden = said
				return nil
			}
			if err != nil {
				return err
			}
			if len(pair) == 2 {
				f.of[name] = pair[1]
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for its settings: %w", n.Name, s.login.explain(err))
	}
	role := map[string]targets.Role{"master": targets.Primary, "slave": targets.Replica}[f.info["role"]]
	list := []targets.Setting{
		{Name: "version", Value: f.info[s.brand.name+"_version"]},
		{Name: "role", Value: string(role)},
	}
	if f.hidden != nil {
		return append(list, targets.Setting{Name: "configuration", Value: "not told", Warning: fmt.Sprintf("what the server keeps, and when, is hidden from this user: %v: %s", f.hidden, s.login.grant())}), nil
	}
	for _, name := range asked {
		if value, ok := f.of[name]; ok {
			list = append(list, targets.Setting{Name: name, Value: value, Warning: f.warning(name)})
		}
	}
	return list, nil
}

// warning is what speaks against a parameter's value, together with the others'.
func (f facts) warning(name string) string {
	value := f.of[name]
	switch name {
	case "appendonly":
		switch {
		case value == "yes":
		case f.of["save"] == "":
			return "nothing is kept on disk: a server that is started again is empty, and if it is the primary its replicas are emptied too"
		default:
			return "only snapshots are kept on disk: a crash loses every write since the last one"
		}
	case "appendfsync":
		switch {
		case f.of["appendonly"] != "yes":
		case value == "no":
			return "the operating system decides when writes reach the disk: a power loss may lose half a minute of acknowledged ones"
		case value == "everysec":
			return "writes reach the disk once a second: a power loss may lose the acknowledged ones of the last two seconds"
		}
	case "min-replicas-to-write":
		if value == "0" && f.info["role"] == "master" {
			return "a primary that is cut off from its replicas goes on acknowledging writes, which a failover throws away"
		}
	case "replica-serve-stale-data":
		if value == "yes" {
			return "a replica that has lost its primary answers reads with what it had"
		}
	case "maxmemory-policy":
		if strings.HasPrefix(value, "allkeys-") && f.of["maxmemory"] != "0" {
			return "when the memory is full keys are evicted: acknowledged writes vanish, also the run's"
		}
	case "repl-diskless-load":
		switch value {
		case "swapdb":
			return "a replica that synchronises holds its data twice: without the memory for it the kernel kills it"
		case "flush-before-load":
			return "a replica drops its data before it has the primary's: if the primary dies then, neither has it"
		}
	}
	return ""
}
