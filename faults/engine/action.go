package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
)

// outcome is what came of a fault's begin or end on one node.
type outcome struct {
	at        int64 // when it took effect, on the clock; 0: it did not
	unchanged bool  // the node was so before, and no other fault is why
	dropped   uint64
	counts    map[string]uint64
	lapsed    time.Duration // for how long its rules were not in force, as nobody renewed them
	note      string
	err       error
}

// actionOf is an action for f, at an instant of the clock.
func (e *Engine) actionOf(f *activeFault, a cluster.Action, at int64) cluster.Action {
	a.ID, a.At, a.Seed = f.planned.ID, e.Clock.Time(at), f.planned.Seed
	return a
}

// do has an agent do something, once.
func (e *Engine) do(ctx context.Context, i int, a cluster.Action) outcome {
	wait := time.Duration(0)
	if !a.At.IsZero() {
		wait = max(0, time.Duration(e.Clock.At(a.At)-e.Clock.Now()))
	}
	limit := actionTimeout
	switch a.Kind {
	case cluster.Exec, cluster.Do:
		limit = commandTimeout
	case cluster.Join, cluster.Leave, cluster.Crash, cluster.Delete, cluster.Drain: // what a place sees to, and tells, takes its time
		limit = memberTimeout
	case cluster.Rollout:
		limit = rolloutTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, wait+a.Grace+limit)
	defer cancel()
	switch a.Kind {
	case cluster.Exec:
		return e.command(ctx, i, a)
	case cluster.Do:
		return e.task(ctx, i, a)
	case cluster.Join, cluster.Leave:
		return e.change(ctx, i, a)
	}
	effect, err := e.Nodes[i].Do(ctx, a)
	if err != nil {
		return outcome{err: fmt.Errorf("%s %s: %w", a.Kind, e.Nodes[i].Name, err)}
	}
	o := outcome{at: e.Clock.Now(), unchanged: !effect.Changed, dropped: effect.Dropped, lapsed: effect.Lapsed, counts: effect.Counts}
	if !effect.At.IsZero() {
		o.at = e.Clock.At(effect.At)
	}
	return o
}

// undo is do for what must succeed: it tries a few times.
func (e *Engine) undo(ctx context.Context, i int, a cluster.Action) outcome {
	for try := 1; ; try++ {
		o := e.do(ctx, i, a)
		if o.err == nil || try == healTries || !e.sleepUntil(ctx, e.Clock.Now()+int64(healPause)) {
			return o
		}
		e.Logger.Warn("undoing a fault failed; trying again", "node", e.Nodes[i].Name, "try", try, "err", o.err)
	}
}

// onAll does something for several nodes at once.
func onAll(nodes []int, do func(i int) outcome) []outcome {
	outcomes := make([]outcome, len(nodes))
	var doing sync.WaitGroup
	for k, i := range nodes {
		doing.Go(func() { outcomes[k] = do(i) })
	}
	doing.Wait()
	return outcomes
}

// await waits for the instant of what no agent does.
func (e *Engine) await(ctx context.Context, a cluster.Action) error {
	if !a.At.IsZero() && !e.sleepUntil(ctx, e.Clock.At(a.At)) {
		return ctx.Err()
	}
	return nil
}

// command runs a command at its instant, on node i or on the harness's machine, and
// notes the end of what it said.
func (e *Engine) command(ctx context.Context, i int, a cluster.Action) outcome {
	where, run := e.Nodes[i].Name, func(ctx context.Context) ([]byte, error) {
		return e.Nodes[i].Run(ctx, cluster.ServerSpec{Command: a.Command})
	}
	if a.Here {
		where, run = faults.Here, func(ctx context.Context) ([]byte, error) { return e.Here(ctx, a.Command) }
	}
	if err := e.await(ctx, a); err != nil {
		return outcome{err: fmt.Errorf("exec on %s: %w", where, err)}
	}
	at := e.Clock.Now()
	said, err := run(ctx)
	if err != nil {
		return outcome{at: at, err: fmt.Errorf("exec on %s: %w: %s", where, err, lastOf(said))}
	}
	return outcome{at: at, note: lastOf(said)}
}

// task has the target do a task at its instant.
func (e *Engine) task(ctx context.Context, i int, a cluster.Action) outcome {
	name := e.Nodes[i].Name
	if e.Task == nil {
		return outcome{err: fmt.Errorf("%s on %s: this system has no tasks", a.Task, name)}
	}
	if err := e.await(ctx, a); err != nil {
		return outcome{err: fmt.Errorf("%s on %s: %w", a.Task, name, err)}
	}
	at, before := e.Clock.Now(), e.processes[i].ending.Load()
	words, err := e.Task(ctx, i, a.Task)
	now := e.processes[i].ending.Load()
	switch {
	case err != nil && (now != before || now%2 == 1): // it was begun, and what becomes of that is what one wants to see
		words = fmt.Sprintf("%s was interrupted by the end of the server on %s: %s", a.Task, name, err)
	case err != nil:
		return outcome{at: at, err: fmt.Errorf("%s on %s: %w", a.Task, name, err)}
	}
	return outcome{at: at, note: lastOf([]byte(words))}
}

// mostSaid bounds what is told of a command's output.
const mostSaid = 400

// lastOf is the end of a command's output, in one line.
func lastOf(said []byte) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(said), "?")), " ")
	if len(text) > mostSaid {
		text = "…" + strings.ToValidUTF8(text[len(text)-mostSaid:], "")
	}
	return text
}
