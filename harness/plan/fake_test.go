package plan

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
)

// planTarget is a target for plans in tests: it can be configured, not run.
type planTarget struct {
	info targets.Info
}

// planTargets are the systems of the plans in tests.
func planTargets() []targets.Target {
	return []targets.Target{
		planTarget{targets.Info{Name: "postgres", Options: []schema.Field{
			{Name: "synchronous_commit", Words: []string{"off", "local", "remote_write", "on"}},
			{Name: "quorum"},
			{Name: "wal.keep"},
		}, Kinds: []history.Kind{history.Read, history.Write, history.CAS, history.Add, history.ReadSet, history.Mark, history.Poll,
			history.Enqueue, history.Dequeue, history.Drain}, Pipelined: []history.Kind{history.Read, history.Write, history.CAS, history.Enqueue},
			Versions: []targets.Version{{Number: "17", Built: "postgres:17"}, {Number: "3.10", Built: "postgres:3.10"}}}},
		planTarget{targets.Info{Name: "etcd", MaxValue: 1_500_000, MaxCAS: 750_000, Kinds: []history.Kind{history.Read, history.Write, history.CAS}}},
	}
}

func (t planTarget) Info() targets.Info { return t.info }

func (t planTarget) Configure(c targets.Config) (targets.System, error) {
	if quorum, ok := c.Options["quorum"]; ok {
		if n, err := strconv.Atoi(quorum); err != nil || n > c.Replicas {
			return nil, fmt.Errorf("quorum is %s with %d replicas; use at most that many", quorum, c.Replicas)
		}
	}
	if t.info.Name == "postgres" {
		return planTeller{}, nil
	}
	return planSystem{}, nil
}

// planTeller is a system that tells its lag.
type planTeller struct{ planSystem }

func (planTeller) ServerLag(context.Context, []*cluster.Node, int) ([]targets.Lag, error) {
	return nil, errNotLaunched
}

// planSystem is never launched.
type planSystem struct{}

var errNotLaunched = errors.New("a test's target is not launched")

func (planSystem) Server([]*cluster.Node, int) (spec cluster.ServerSpec) { return spec }

func (planSystem) Form(context.Context, []*cluster.Node) error { return errNotLaunched }

func (planSystem) Status(context.Context, *cluster.Node) (targets.Status, error) {
	return targets.Status{}, errNotLaunched
}

func (planSystem) ClientStatus(context.Context, *cluster.Node) (targets.Status, error) {
	return targets.Status{}, errNotLaunched
}

func (planSystem) Connect(context.Context, *cluster.Node, targets.ClientOptions) (targets.Client, error) {
	return nil, errNotLaunched
}

// planWords are what the plans in tests can name.
func planWords() Words {
	return Words{Hosts: []string{AutoHost, "docker", "local"}, Targets: planTargets()}
}
