package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/metrics"
	"github.com/aftershock-chaos/aftershock/harness/telemetry"
)

// told are those who hear of a run while it goes on, beside the live line; nil: not.
type told struct {
	server   *metrics.Server
	exporter *telemetry.Exporter
}

// tell begins to serve at --listen and to send to --otlp, until stop.
func (f runFlags) tell(log *slog.Logger) (t told, stop func(), err error) {
	stop = func() {
		t.exporter.Close()
		if t.server != nil {
			_ = t.server.Close()
		}
	}
	if f.listen != "" {
		if t.server, err = metrics.Listen(f.listen); err != nil {
			return told{}, nil, err
		}
		fmt.Fprintf(os.Stderr, "metrics: http://%s/metrics\n", t.server.Addr())
	}
	if f.otlp != "" {
		if t.exporter, err = telemetry.New(f.otlp, func(err error) { log.Warn(err.Error()) }); err != nil {
			stop()
			return told{}, nil, err
		}
	}
	return t, stop, nil
}

// with shows progress to them, and then to show.
func (t told) with(show func(harness.Progress)) func(harness.Progress) {
	return func(p harness.Progress) {
		m := metrics.Moment{Snapshot: p.Metrics, Phase: p.Phase, Faults: p.Faults}
		for _, n := range p.Nodes {
			m.Roles = append(m.Roles, metrics.Role{Node: n.Name, Role: n.Role})
		}
		t.server.Show(m)
		t.exporter.Show(telemetry.Moment{Moment: m, Run: p.Run, Began: p.Began, Events: p.Events})
		show(p)
	}
}
