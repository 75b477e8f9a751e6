package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/clock"
	"github.com/aftershock-chaos/aftershock/cluster/agent/link"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
	"github.com/aftershock-chaos/aftershock/cluster/agent/press"
	"github.com/aftershock-chaos/aftershock/cluster/agent/process"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
)

// action is how one kind of action is put into effect in the node.
type action struct {
	// can tries whether it could be done, as far as that is possible without doing it,
	// and tells why not and the remedy; nil: it can be done anywhere.
	can func() error
	// prepare does ahead of the instant what takes time and can be done before;
	// nil if there is nothing.
	prepare func() error
	// do puts the action into effect now. The effect's time is time.Now()'s.
	do func(cluster.Action) (cluster.Effect, error)
	// last is called when the effect has been told, for what this agent does not
	// survive; nil if there is nothing.
	last func()
}

// rooms are what a node's agent acts on.
type rooms struct {
	processes *process.Supervisor
	firewall  *network.Firewall
	links     *link.Shaper
	clocks    *clock.Clocks
	presses   *press.Press
	disk      *volume.Volume // nil: the data directory is a plain folder
}

// actionsOf lists every kind of action that an agent can do: a kind is a file in
// the package of what it acts on, and a row here.
func actionsOf(r rooms) map[cluster.ActionKind]action {
	processes, firewall, links, disk, clocks, presses := r.processes, r.firewall, r.links, r.disk, r.clocks, r.presses
	p := &power{processes: processes, firewall: firewall, disk: disk}
	return map[cluster.ActionKind]action{
		cluster.Kill:    {do: processes.Kill},
		cluster.Stop:    {do: processes.Stop},
		cluster.Pause:   {do: processes.Pause},
		cluster.Resume:  {do: processes.Resume},
		cluster.Restart: {do: p.restart},
		cluster.Wipe:    {do: processes.Wipe},
		cluster.Block:   {can: firewall.Connect, prepare: firewall.Connect, do: firewall.Block},
		cluster.Unblock: {can: firewall.Connect, do: firewall.Unblock},
		cluster.Shape:   {can: links.Can, prepare: links.Can, do: links.Shape},
		cluster.Unshape: {can: links.Can, do: links.Unshape},
		cluster.Reset:   {can: link.CanReset, do: link.ResetExcept(firewall.ControlPort())},
		cluster.Power:   {can: p.can, prepare: p.can, do: p.cut},
		cluster.Age:     {can: p.can, prepare: p.can, do: disk.Age},
		cluster.Disk:    {can: p.can, prepare: p.can, do: disk.Sicken},
		cluster.Undisk:  {can: p.can, prepare: p.can, do: disk.Heal},
		cluster.Flip:    {can: p.can, prepare: p.can, do: disk.Flip},
		cluster.Skew:    {can: clocks.Can, prepare: clocks.Prepare, do: clocks.Skew},
		cluster.Unskew:  {do: clocks.Unskew},
		cluster.Press:   {do: presses.Press},
		cluster.Unpress: {do: presses.Unpress},
	}
}

type canRequest struct {
	Kind cluster.ActionKind `json:"kind"`
}

// can tries whether an action could be done, as far as that is possible without
// doing it.
func (s *server) can(_ context.Context, in canRequest) (errorReply, error) {
	action, ok := s.actions[in.Kind]
	switch {
	case !ok && s.processes == nil:
		return errorReply{Error: s.whyNot(in.Kind).Error()}, nil
	case !ok:
		return errorReply{Error: fmt.Sprintf("the node's agent does not know the action %q", in.Kind)}, nil
	case action.can != nil:
		if err := action.can(); err != nil {
			return errorReply{Error: err.Error()}, nil
		}
	}
	return errorReply{}, nil
}

// Can asks an agent whether it could do an action, and tells why not.
func (c *Client) Can(ctx context.Context, kind cluster.ActionKind) error {
	var out errorReply
	if err := c.call(ctx, pathCan, canRequest{Kind: kind}, &out); err != nil {
		return fmt.Errorf("ask the agent whether it can %s: %w", kind, err)
	}
	if out.Error != "" {
		return errors.New(out.Error)
	}
	return nil
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
	return actionReply{At: s.clock.read(effect.At), Dropped: effect.Dropped, Changed: effect.Changed, Lapsed: int64(effect.Lapsed), Counts: effect.Counts}, nil
}
