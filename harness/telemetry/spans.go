package telemetry

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/aftershock-chaos/aftershock/history"
)

// spans makes spans of a run's events: one of the run, and in it one of each phase
// and of each fault. A fault is over when the last of its nodes is healed.
type spans struct {
	tracer trace.Tracer

	run    string
	began  time.Time
	last   time.Time // of the run's last event
	whole  trace.Span
	ctx    context.Context // of whole
	phase  trace.Span      // nil: none
	faults map[string]*window
}

// window is a fault that is in force.
type window struct {
	span trace.Span
	hurt []string // nodes
}

// follow takes the events of a moment.
func (s *spans) follow(m *Moment) {
	if m.Run != s.run {
		s.end()
		s.run, s.began, s.last, s.faults = m.Run, m.Began, m.Began, map[string]*window{}
		s.ctx, s.whole = s.tracer.Start(context.Background(), "run "+m.Run, trace.WithTimestamp(m.Began))
	}
	for i := range m.Events {
		e := &m.Events[i]
		at := s.began.Add(time.Duration(e.At))
		if at.After(s.last) {
			s.last = at
		}
		switch e.Kind {
		case history.EventPhase:
			s.next(e.Detail, at)
		case history.EventFault:
			s.fault(e, at)
		case history.EventHeal:
			s.heal(e, at)
		case history.EventFailover, history.EventGateFailed, history.EventExit, history.EventUntrusted:
			s.whole.AddEvent(string(e.Kind), trace.WithTimestamp(at), trace.WithAttributes(attribute.String("node", e.Node),
				attribute.String("name", e.Name), attribute.String("detail", e.Detail)))
		}
	}
}

// next begins a phase; the phase "end" is the end of the run.
func (s *spans) next(name string, at time.Time) {
	if s.phase != nil {
		s.phase.End(trace.WithTimestamp(at))
		s.phase = nil
	}
	if name != "end" {
		_, s.phase = s.tracer.Start(s.ctx, "phase "+name, trace.WithTimestamp(at), trace.WithAttributes(attribute.String("phase", name)))
	}
}

func (s *spans) fault(e *history.Event, at time.Time) {
	w := s.faults[e.Fault]
	if w == nil {
		_, span := s.tracer.Start(s.ctx, "fault "+e.Name, trace.WithTimestamp(at), trace.WithAttributes(attribute.String("fault", e.Fault),
			attribute.String("kind", e.Name), attribute.StringSlice("nodes", e.Nodes), attribute.String("detail", e.Detail)))
		if e.Failed {
			span.SetStatus(codes.Error, "it could not be put into effect")
			span.End(trace.WithTimestamp(at))
			return
		}
		w = &window{span: span}
		s.faults[e.Fault] = w
	}
	w.hurt = append(w.hurt, e.Nodes...)
}

func (s *spans) heal(e *history.Event, at time.Time) {
	w := s.faults[e.Fault]
	if w == nil || e.Failed {
		return
	}
	w.hurt = slices.DeleteFunc(w.hurt, func(node string) bool { return slices.Contains(e.Nodes, node) })
	if len(e.Nodes) == 0 || len(w.hurt) == 0 {
		w.span.End(trace.WithTimestamp(at))
		delete(s.faults, e.Fault)
	}
}

// end ends the run, and what of it has not ended.
func (s *spans) end() {
	if s.whole == nil {
		return
	}
	if s.phase != nil {
		s.phase.End(trace.WithTimestamp(s.last))
		s.phase = nil
	}
	for _, w := range s.faults {
		w.span.End(trace.WithTimestamp(s.last))
	}
	s.whole.End(trace.WithTimestamp(s.last))
	s.whole, s.run = nil, ""
}
