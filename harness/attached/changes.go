package attached

import (
	"context"
	"fmt"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
)

// Tell tells as events what the place, or somebody with it, does to the nodes,
// until ctx ends. A fault that ended by itself before its time proves nothing.
func (v *Visit) Tell(ctx context.Context, clock history.Clock, emit func(history.Event)) {
	for {
		select {
		case <-ctx.Done():
			return
		case c, ok := <-v.Changes():
			if !ok {
				return
			}
			name := v.Nodes()[c.Node].Name
			emit(event(c, name, clock))
			if c.Kind == cluster.Lapsed {
				emit(history.Event{At: clock.At(c.At), Kind: history.EventGateFailed,
					Detail: fmt.Sprintf("a fault on %s ended by itself before its time: %s; make the run again", name, c.Detail)})
			}
		}
	}
}

func event(c cluster.Change, node string, clock history.Clock) history.Event {
	e := history.Event{At: clock.At(c.At), Kind: history.EventPlace, Name: string(c.Kind), Node: node, Detail: c.Detail}
	if c.Kind == cluster.Moved {
		e.Detail = fmt.Sprintf("it has the address %s now", c.Addr)
	}
	if !c.Until.IsZero() {
		e.Until = clock.At(c.Until)
	}
	return e
}
