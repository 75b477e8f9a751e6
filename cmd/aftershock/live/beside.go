package live

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/harness/metrics"
	"github.com/aftershock-chaos/aftershock/harness/telemetry"
)

// Beside are those who hear of runs beside whoever looks at them; nil: not.
type Beside struct {
	server   *metrics.Server
	exporter *telemetry.Exporter
}

// Tell begins to serve metrics at an address and to send them to a collector, unless
// these are empty; where it serves is written to out. Close must be called.
func Tell(out io.Writer, listen, otlp string, log *slog.Logger) (b Beside, err error) {
	if listen != "" {
		if b.server, err = metrics.Listen(listen); err != nil {
			return Beside{}, err
		}
		fmt.Fprintf(out, "metrics: http://%s/metrics\n", b.server.Addr())
	}
	if otlp != "" {
		if b.exporter, err = telemetry.New(otlp, func(err error) { log.Warn(err.Error()) }); err != nil {
			b.Close()
			return Beside{}, err
		}
	}
	return b, nil
}

// With shows progress to them, and then to show.
func (b Beside) With(show func(harness.Progress)) func(harness.Progress) {
	return func(p harness.Progress) {
		if p.Total == 0 { // there is no load yet, and nothing to count
			show(p)
			return
		}
		m := metrics.Moment{Snapshot: p.Metrics, Phase: p.Phase, Faults: p.Faults}
		for _, n := range p.Nodes {
			m.Roles = append(m.Roles, metrics.Role{Node: n.Name, Role: n.Role})
		}
		b.server.Show(m)
		b.exporter.Show(telemetry.Moment{Moment: m, Run: p.Run, Began: p.Began, Events: p.Events})
		show(p)
	}
}

// Close ends it; what is left is sent.
func (b Beside) Close() {
	b.exporter.Close()
	if b.server != nil {
		_ = b.server.Close() // the runs are over
	}
}
