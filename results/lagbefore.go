package results

import (
	"math"

	"github.com/aftershock-chaos/aftershock/checkers/lag"
	"github.com/aftershock-chaos/aftershock/history"
)

// addLagBefore adds to the rows of lag how far behind replicas were before anything
// happened to them.
func (m *Measured) addLagBefore(log *history.Log) {
	if len(m.Lag) == 0 || log.Doubts.Times != "" {
		return
	}
	until := m.end
	for i := range m.Faults {
		if f := &m.Faults[i]; f.Executed {
			until = min(until, f.At)
		}
	}
	worst := map[string]int64{}
	for _, s := range lag.LagSpans(log) {
		if s.Warmup || s.Acked >= until || int(s.Node) >= len(log.Meta.Nodes) {
			continue
		}
		behind := min(s.Visible, until) - s.Acked
		if until == math.MaxInt64 {
			if s.Visible == math.MaxInt64 {
				continue
			}
			behind = s.Visible - s.Acked
		}
		for _, node := range [...]string{"", log.Meta.Nodes[s.Node]} {
			worst[node] = max(worst[node], behind)
		}
	}
	for i := range m.Lag {
		if most, ok := worst[m.Lag[i].Node]; ok {
			m.Lag[i].Before = &most
		}
	}
}
