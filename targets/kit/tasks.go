package kit

import (
	"context"
	"fmt"
	"io"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Tasks are what the nodes of a system can do by a connection C, see targets.Tasked,
// by their names. Each has a connection of its own, as it may hold it for long.
type Tasks[C io.Closer] map[string]func(ctx context.Context, c C) (words string, err error)

// Do connects to a node and has it do a task.
func (t Tasks[C]) Do(ctx context.Context, dial func(context.Context, *cluster.Node) (C, error), n *cluster.Node, task string) (string, error) {
	do, ok := t[task]
	if !ok {
		return "", fmt.Errorf("there is no task %q", task)
	}
	c, err := dial(ctx, n)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }() // the task is done, or its error tells more
	return do(ctx, c)
}
