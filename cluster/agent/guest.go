package agent

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/link"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
	"github.com/aftershock-chaos/aftershock/cluster/agent/victim"
)

// Replace makes an action's rules those of its fault in place of what it has,
// without an instant between the two. Agents alone know it: whoever attaches to a
// deployment does so when a node has got another address.
const Replace cluster.ActionKind = "replace"

// errGuest says why an agent does not do something.
var errGuest = errors.New("this agent is a guest beside a server that it did not start")

// guestActions lists what a guest can do.
func guestActions(processes *victim.Processes, firewall *network.Firewall, links *link.Shaper) map[cluster.ActionKind]action {
	all := map[cluster.ActionKind]action{
		cluster.Block:   {can: firewall.Connect, prepare: firewall.Connect, do: firewall.Block},
		cluster.Unblock: {can: firewall.Connect, do: firewall.Unblock},
		cluster.Shape:   {can: links.Can, prepare: links.Can, do: links.Shape},
		cluster.Unshape: {can: links.Can, do: links.Unshape},
		cluster.Reset:   {can: link.CanReset, do: link.ResetExcept(firewall.ControlPort())},
		Replace:         {can: firewall.Connect, prepare: firewall.Connect, do: firewall.Replace},
	}
	if processes != nil {
		all[cluster.Pause] = action{can: processes.Can, do: processes.Pause}
		all[cluster.Resume] = action{can: processes.Can, do: processes.Resume}
		all[cluster.Crash] = action{can: processes.Can, do: processes.Crash, last: processes.Fire}
	}
	return all
}

// guestHandlers routes what is otherwise in a guest.
func (s *server) guestHandlers(mux *http.ServeMux) {
	refused := []string{pathStart, pathOutput}
	if s.service != nil {
		mux.HandleFunc("POST "+pathExits, s.lives)
		mux.HandleFunc("POST "+pathRun, handle(s.runBeside))
	} else {
		// A guest sees no exits; the end of the stream is that of the guest.
		mux.HandleFunc("POST "+pathExits, func(w http.ResponseWriter, r *http.Request) {
			if http.NewResponseController(w).Flush() == nil {
				<-r.Context().Done()
			}
		})
		refused = append(refused, pathRun)
	}
	if s.meter != nil {
		mux.HandleFunc("POST "+pathUsage, handle(s.usage))
	} else {
		refused = append(refused, pathUsage)
	}
	for _, path := range refused {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusUnprocessableEntity, errGuest)
		})
	}
}

// whyNot says why a guest does not do something.
func (s *server) whyNot(kind cluster.ActionKind) error {
	if s.victim == nil && s.service == nil && slices.Contains([]cluster.ActionKind{cluster.Pause, cluster.Resume, cluster.Crash}, kind) {
		return errors.New("the guest does not share the server's PID namespace")
	}
	if slices.Contains([]cluster.ActionKind{cluster.Power, cluster.Disk, cluster.Flip}, kind) {
		return fmt.Errorf("%w, and whose data is on its own disk: have the plan launch the nodes", errGuest)
	}
	return fmt.Errorf("%w: %q is not for it to do", errGuest, kind)
}

// Lapse is a time for which the agent's network rules were not in force, as it was
// not renewed in time or somebody removed them; on the harness's clock.
type Lapse struct{ From, Until time.Time }

// lapsesBuffered is how many lapses are kept for who listens late.
const lapsesBuffered = 16

// Lapses delivers them. It is never closed; what nobody takes is lost.
func (c *Client) Lapses() <-chan Lapse { return c.lapses }

// noteLapse delivers the lapse that an answer tells, once.
func (c *Client) noteLapse(r clockReply) {
	if int64(r.Lapses) <= c.lapsed.Swap(int64(r.Lapses)) {
		return
	}
	from, _ := c.clock.toHarness(r.From)
	until, _ := c.clock.toHarness(r.Until)
	select {
	case c.lapses <- Lapse{from, until}:
	default:
	}
}

// Start is a start of the server that a guest watches, on the harness's clock.
type Start struct {
	At      time.Time
	Planned bool // the harness asked for it (Restart)
}

// Starts delivers them. It is never closed; what nobody takes is lost.
func (c *Client) Starts() <-chan Start { return c.starts }

func (c *Client) noteStart(s Start) {
	select {
	case c.starts <- s:
	default:
	}
}

// Lost is closed when the control channel is lost or closed.
func (c *Client) Lost() <-chan struct{} { return c.ctx.Done() }

// lostSoon is how long the news of an agent's end may be on its way here.
const lostSoon = 50 * time.Millisecond

// Ended tells whether the agent is not there any more, after a call of it has failed.
func (c *Client) Ended() bool {
	timer := time.NewTimer(lostSoon)
	defer timer.Stop()
	select {
	case <-c.Lost():
		return true
	case <-timer.C:
		return false
	}
}

// Abandon ends the control channel without a word to the agent, which is known to
// have ended.
func (c *Client) Abandon() {
	c.cancel(fmt.Errorf("%w: the agent has ended", ErrLost))
	_ = c.Close()
}
