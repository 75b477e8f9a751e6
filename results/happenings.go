package results

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// Happening is something that the place of a deployment, or what stands beside its
// nodes, did by itself in a run that attached to it. Times are nanoseconds of the
// run's clock.
type Happening struct {
	At     int64  `json:"at_ns"`
	Until  int64  `json:"until_ns,omitempty"`
	Who    string `json:"who"`  // a node, or who stands beside them: haproxy, patroni
	What   string `json:"what"` // restarted, moved, gone, lapsed, unguarded, says, primary
	Detail string `json:"detail,omitempty"`
}

// happenings are nil for nodes that were launched. What the nodes say of themselves
// stands among them, so that it can be held to what others say.
func happenings(log *history.Log) []Happening {
	if !slices.ContainsFunc(log.Events, func(e history.Event) bool { return e.Kind == history.EventPlace }) {
		return nil
	}
	var list []Happening
	for i := range log.Events {
		switch e := &log.Events[i]; {
		case e.Kind == history.EventPlace:
			list = append(list, Happening{At: e.At, Until: e.Until, Who: e.Node, What: e.Name, Detail: e.Detail})
		case e.Kind == history.EventRole && e.Detail == "primary":
			list = append(list, Happening{At: e.At, Who: e.Node, What: "primary", Detail: "it says so itself"})
		}
	}
	slices.SortStableFunc(list, func(a, b Happening) int { return int(min(max(a.At-b.At, -1), 1)) })
	return list
}
