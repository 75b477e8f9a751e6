package compose

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// eventsPause is between two attempts at hearing the engine's events.
const eventsPause = 200 * time.Millisecond

// follow takes the engine's events until Close, from the instant since on. When the
// stream tears it is taken up where it ended.
func (d *deployment) follow(since time.Time) {
	filter := make(client.Filters).Add("type", string(events.ContainerEventType))
	for _, a := range []events.Action{events.ActionStart, events.ActionDie, events.ActionKill, events.ActionOOM, events.ActionDestroy} {
		filter.Add("event", string(a))
	}
	last := since.UnixNano()
	for d.Context.Err() == nil {
		stream := d.api.Events(d.Context, client.EventsListOptions{
			Since: fmt.Sprintf("%d.%09d", last/1e9, last%1e9), Filters: filter,
		})
		err := d.take(stream, &last)
		if d.Context.Err() == nil {
			d.Log.Warn("the engine's events were lost for a moment", "error", err)
			_ = sleepUntil(d.Context, time.Now().Add(eventsPause))
		}
	}
}

// take takes a stream's events to its end.
func (d *deployment) take(stream client.EventsResult, last *int64) error {
	for {
		select {
		case m := <-stream.Messages:
			if m.TimeNano <= *last {
				continue // taken before the stream tore
			}
			*last = m.TimeNano
			for _, n := range d.nodes {
				if n.key.fits(m.Actor.ID, m.Actor.Attributes["name"], m.Actor.Attributes) {
					n.event(m)
				}
			}
		case err := <-stream.Err:
			return err
		}
	}
}

// event takes what the engine tells of the node's container.
func (n *node) event(m events.Message) {
	at := onOurClock(m.TimeNano)
	current := m.Actor.ID == n.look().id
	switch m.Action {
	case events.ActionKill:
		if current {
			n.Change(func() { n.signal = at })
		}
	case events.ActionOOM:
		if current {
			n.Change(func() { n.oom = true })
		}
	case events.ActionDie:
		if current {
			n.die(at, m.Actor.Attributes["exitCode"])
		}
	case events.ActionDestroy:
		if current {
			n.Tell(cluster.Change{At: at, Kind: cluster.Gone, Detail: "its container " + n.look().name + " was removed"})
		}
	case events.ActionStart:
		n.start(m.Actor.ID, at)
	}
}

// onOurClock is an instant of the engine's clock, which is this machine's.
func onOurClock(nanoseconds int64) time.Time {
	now := time.Now()
	return now.Add(time.Duration(nanoseconds - now.UnixNano()))
}

// bySignal is what the engine adds to a signal's number for the exit code.
const bySignal = 128

// die tells the exit of the container's PID 1.
func (n *node) die(at time.Time, code string) {
	e := cluster.Exit{At: at}
	e.Code, _ = strconv.Atoi(code) // the engine's own number
	switch sig := syscall.Signal(e.Code - bySignal); sig {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGABRT, syscall.SIGSEGV:
		e.Code, e.Signal = -1, sig.String()
	}
	n.Change(func() {
		e.Planned, e.By = n.askedFor, n.asked
		e.Memory = n.oom && !n.askedFor && e.Signal == "killed"
		n.asked, n.askedFor, n.oom = "", false, false
		n.up, n.died = false, at
		clear(n.Paused)
	})
	n.TellExit(e)
	if n.Rules.Wished() { // ahead of its start, when there is no time to lose
		n.d.Background.Go(n.foretell)
	}
}

// start tells that the container was started, unless the harness did it, and meets it.
func (n *node) start(id string, at time.Time) {
	ours, anew := false, false
	n.Change(func() {
		ours, anew = n.starting, id != n.seen.id
		n.seen.id = id
		n.starting, n.up, n.guest, n.began = false, true, nil, at
		n.down = n.down && ours
		n.asked, n.askedFor = "", false
	})
	if !ours {
		detail := "by its restart policy, or by somebody"
		if anew {
			detail = "as a new container"
		}
		n.Tell(cluster.Change{At: at, Kind: cluster.Restarted, Detail: detail})
	}
	n.d.Background.Go(func() { n.meetAgain(id, at) })
}

// latest is the node's container of now: of services the one that has taken its place,
// if it was made anew.
func (d *deployment) latest(ctx context.Context, k key, id string) (seen, error) {
	s, err := lookUp(ctx, d.api, id)
	if err == nil || k.id != "" {
		return s, err
	}
	all, listErr := d.api.ContainerList(ctx, client.ContainerListOptions{All: true})
	if listErr != nil {
		return seen{}, err
	}
	for _, c := range all.Items {
		if k.fits(c.ID, firstName(c), c.Labels) {
			return lookUp(ctx, d.api, c.ID)
		}
	}
	return seen{}, err
}

func firstName(c container.Summary) string {
	if len(c.Names) == 0 {
		return ""
	}
	return c.Names[0][1:]
}
