package harness

import (
	"github.com/aftershock-chaos/aftershock/harness/meter"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// newMeter asks what the nodes take, and servers that count them for their syncs.
func newMeter(d *deployment, clock history.Clock, rec *record) *meter.Meter {
	m := &meter.Meter{Nodes: d.nodes, Clock: clock, Record: rec.usage.Append}
	if teller, ok := d.system.(targets.SyncTeller); ok {
		m.Syncs = teller.Syncs
	}
	return m
}
