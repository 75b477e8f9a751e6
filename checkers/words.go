package checkers

import (
	"fmt"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// words puts what a log tells into words.
type words struct {
	log     *history.Log
	windows []history.Window
}

func newWords(log *history.Log) *words { return &words{log: log, windows: log.Windows()} }

// node is a node's name.
func (w *words) node(i int8) string {
	switch {
	case i < 0:
		return "no node"
	case int(i) >= len(w.log.Meta.Nodes):
		return fmt.Sprintf("node %d", i)
	}
	return w.log.Meta.Nodes[i]
}

func (w *words) workload(i uint8) string {
	if int(i) >= len(w.log.Meta.Workloads) {
		return ""
	}
	return w.log.Meta.Workloads[i].Name
}

// clock is a time on the run's clock, as "8.013 s", or "45 µs" in the first millisecond.
func clock(ns int64) string {
	if 0 < ns && ns < int64(time.Millisecond) {
		return lapse(ns)
	}
	return fmt.Sprintf("%.3f s", float64(ns)/float64(time.Second))
}

// lapse is a length of time, as "0.8 s", "12.3 ms", "45 µs" or "10 ns".
func lapse(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d >= 100*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 100*time.Microsecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d >= time.Microsecond:
		return fmt.Sprintf("%.0f µs", d.Seconds()*1e6)
	default:
		return fmt.Sprintf("%d ns", ns)
	}
}

// content is a register's content.
func content(v int64) string {
	if v == history.Nil {
		return "nothing"
	}
	return fmt.Sprint(v)
}

func kindWord(k history.Kind) string {
	if k == history.CAS {
		return "compare-and-set"
	}
	return k.String()
}

// op is an operation in few words.
func (w *words) op(op *history.Op) string {
	var what string
	switch op.Kind {
	case history.Read:
		what = "read of " + content(op.Value)
		if op.Outcome != history.OK {
			what = "read"
		}
	case history.CAS:
		what = fmt.Sprintf("compare-and-set from %s to %s", content(op.Old), content(op.Value))
		if op.Flags&history.Seen != 0 {
			what += ", which found " + content(op.Observed) + ","
		}
	case history.Write:
		what = "write of " + content(op.Value)
		if op.Value == history.Nil {
			what = "delete"
		}
	default:
		what = fmt.Sprintf("%s of %s", op.Kind, content(op.Value))
	}
	outcome := ""
	switch op.Outcome {
	case history.Fail:
		outcome = ", which failed"
	case history.Unknown:
		outcome = ", outcome unknown"
	}
	return fmt.Sprintf("%s at %s from %s to %s by process %d%s", what, w.node(op.Node), clock(op.Start), clock(op.End), op.Process, outcome)
}

// done are the words for what a fault did to its victims.
var done = map[string]string{"kill": "killed", "stop": "stopped", "pause": "paused", "restart": "restarted", "partition": "partitioned"}

func (w *words) fault(f *history.Window) string {
	kind, _, _ := strings.Cut(f.Name, " ")
	did := done[kind]
	if did == "" {
		did = "hit by " + f.Name
	}
	be := "was"
	if len(f.Nodes) > 1 {
		be = "were"
	}
	if len(f.Nodes) == 0 {
		return fmt.Sprintf("fault %s (%s) began", f.Fault, f.Name)
	}
	return fmt.Sprintf("%s %s %s by %s", strings.Join(f.Nodes, ", "), be, did, f.Fault)
}

// during tells which faults were in force at a time: " (while f1, a kill of
// n1, was in force)", or nothing.
func (w *words) during(at int64) string {
	var active []string
	for i := range w.windows {
		f := &w.windows[i]
		if !f.Contains(at, at) {
			continue
		}
		what := fmt.Sprintf("%s (%s)", f.Fault, f.Name)
		if len(f.Nodes) > 0 {
			what = fmt.Sprintf("%s (%s of %s)", f.Fault, f.Name, strings.Join(f.Nodes, ", "))
		}
		active = append(active, what)
	}
	if len(active) == 0 {
		return ""
	}
	be := "was"
	if len(active) > 1 {
		be = "were"
	}
	return fmt.Sprintf(", while %s %s in force", strings.Join(active, " and "), be)
}

// nearest tells of the first fault after a time, " (0.8 s before n1 was killed
// by f1)", or else of those in force.
func (w *words) nearest(at int64) string {
	best := -1
	for i := range w.windows {
		if f := &w.windows[i]; f.Begin >= at && (best < 0 || f.Begin < w.windows[best].Begin) {
			best = i
		}
	}
	if best >= 0 && w.during(at) == "" {
		f := &w.windows[best]
		return fmt.Sprintf(" (%s before %s)", lapse(span(f.Begin, at)), w.fault(f))
	}
	return w.during(at)
}

// plural is "1 node" or "3 nodes".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
