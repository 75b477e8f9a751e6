package nats

import (
	"context"
	"errors"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

var _ targets.Tasked = (*System)(nil)

// tasksTold are what those who run JetStream have it do.
func tasksTold() []targets.Task {
	return []targets.Task{{Name: "step-down", About: "the stream's leader gives its place to another server"}}
}

// Do implements targets.Tasked.
func (s *System) Do(ctx context.Context, _ []*cluster.Node, n *cluster.Node, _ string) (string, error) {
	l := s.layout.Load()
	if l == nil || l.copies == 1 {
		return "", errors.New("a stream of one copy has no other server to lead it")
	}
	nc, err := connectOperator(ctx, n)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	return "the leader of " + l.stream + " stepped down", call(ctx, nc, "$JS.API.STREAM.LEADER.STEPDOWN."+l.stream, nil, &apiAnswer{})
}
