package agent

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
	"github.com/aftershock-chaos/aftershock/cluster/agent/process"
)

// action is how one kind of action is put into effect in the node.
type action struct {
	// prepare does ahead of the instant what takes time and can be done before;
	// nil if there is nothing.
	prepare func() error
	// do puts the action into effect now. The effect's time is time.Now()'s.
	do func(cluster.Action) (cluster.Effect, error)
	// last is called when the effect has been told, for what this agent does not
	// survive; nil if there is nothing.
	last func()
}

// actionsOf lists every kind of action that an agent can do: a kind is a file in
// the package of what it acts on, and a row here.
func actionsOf(processes *process.Supervisor, firewall *network.Firewall) map[cluster.ActionKind]action {
	return map[cluster.ActionKind]action{
		cluster.Kill:    {do: processes.Kill},
		cluster.Stop:    {do: processes.Stop},
		cluster.Pause:   {do: processes.Pause},
		cluster.Resume:  {do: processes.Resume},
		cluster.Restart: {do: processes.Restart},
		cluster.Block:   {prepare: firewall.Connect, do: firewall.Block},
		cluster.Unblock: {do: firewall.Unblock},
	}
}

// serveAction answers with the effect, then does what comes last.
func (s *server) serveAction(w http.ResponseWriter, r *http.Request) {
	var in actionRequest
	if !decode(w, r, &in) {
		return
	}
	out, err := s.action(r.Context(), in)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err)
		return
	}
	reply(w, out)
	if last := s.actions[in.Kind].last; last != nil {
		_ = http.NewResponseController(w).Flush()
		last()
	}
}

// action waits for the action's instant and puts it into effect. A request that
// ends while it waits calls the action off.
func (s *server) action(ctx context.Context, in actionRequest) (actionReply, error) {
	if ahead := time.Duration(in.At - s.clock.now()); ahead > maxAhead {
		return actionReply{}, fmt.Errorf("action is %s ahead, at most %s", ahead, maxAhead)
	}
	action, ok := s.actions[in.Kind]
	if !ok && s.processes == nil {
		return actionReply{}, fmt.Errorf("%w: it cannot %s", errGuest, in.Kind)
	}
	if !ok {
		return actionReply{}, fmt.Errorf("unknown action %q", in.Kind)
	}
	if action.prepare != nil {
		if err := action.prepare(); err != nil {
			return actionReply{}, err
		}
	}
	effect, err := runUrgently(func() (cluster.Effect, error) {
		if err := waitUntil(ctx, s.clock.now, in.At); err != nil {
			return cluster.Effect{}, err
		}
		return action.do(in.Action)
	})
	if err != nil {
		return actionReply{}, err
	}
	return actionReply{At: s.clock.read(effect.At), Dropped: effect.Dropped, Changed: effect.Changed, Lapsed: int64(effect.Lapsed)}, nil
}
