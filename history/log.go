package history

import "slices"

// Window is the time in which one fault was in force.
type Window struct {
	Fault  string   // its id, e.g. "f1"
	Name   string   // what it is called, see FaultName
	Nodes  []string // the victims
	Begin  int64    // when it took effect
	End    int64    // when it was undone, or the log's end
	Healed bool     // false: the log ends first
}

// Contains reports whether the fault was in force at some instant from begin
// to end.
func (w *Window) Contains(begin, end int64) bool { return w.Begin <= end && begin <= w.End }

// Windows pairs the log's faults with their heals, in order of Begin. A fault
// that could not be put into effect has no window; one that took effect in
// several events has one window, from the first to the heal of its last node.
// A heal that names no node heals all.
func (l *Log) Windows() []Window {
	var windows []Window
	open := map[string]int{}      // fault id → index
	hurt := map[string][]string{} // fault id → nodes not yet healed
	for _, e := range l.inOrder() {
		i, isOpen := open[e.Fault]
		switch {
		case e.Failed:
		case e.Kind == EventFault && isOpen:
			windows[i].Nodes = union(windows[i].Nodes, e.Nodes)
			hurt[e.Fault] = union(hurt[e.Fault], e.Nodes)
		case e.Kind == EventFault:
			open[e.Fault] = len(windows)
			hurt[e.Fault] = slices.Clone(e.Nodes)
			windows = append(windows, Window{Fault: e.Fault, Name: e.Name, Nodes: slices.Clone(e.Nodes), Begin: e.At})
		case e.Kind == EventHeal && isOpen:
			hurt[e.Fault] = slices.DeleteFunc(hurt[e.Fault], func(n string) bool { return slices.Contains(e.Nodes, n) })
			if len(e.Nodes) == 0 || len(hurt[e.Fault]) == 0 {
				windows[i].End, windows[i].Healed = e.At, true
				delete(open, e.Fault)
			}
		}
	}
	if len(open) > 0 {
		end := l.End()
		for _, i := range open {
			windows[i].End = max(end, windows[i].Begin)
		}
	}
	return windows
}

// union appends to a what is in b only.
func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// inOrder returns the events by time; those of one instant keep their order.
func (l *Log) inOrder() []Event {
	order := func(a, b Event) int { return cmp64(a.At, b.At) }
	if slices.IsSortedFunc(l.Events, order) {
		return l.Events
	}
	events := slices.Clone(l.Events)
	slices.SortStableFunc(events, order)
	return events
}

// End is the time of the last thing that the log tells, 0 if it is empty.
func (l *Log) End() int64 {
	end := l.extents().end
	for i := range l.Events {
		end = max(end, l.Events[i].At)
	}
	return end
}

// MeasureSpan is the measured phase: from the phase event "measure" to the
// phase event "heal", or to the end of a log that has none. It is false when
// measuring never began.
func (l *Log) MeasureSpan() (begin, end int64, ok bool) {
	for _, e := range l.inOrder() {
		switch {
		case e.Kind != EventPhase:
		case !ok && e.Detail == "measure":
			begin, ok = e.At, true
		case ok && e.Detail == "heal":
			return begin, e.At, true
		}
	}
	if !ok {
		return 0, 0, false
	}
	return begin, max(begin, l.End()), true
}

// WorkloadIndex lists the workloads that act on an object, as Op.Workload has
// them.
func (l *Log) WorkloadIndex(object Object) []int {
	var indexes []int
	for i := range l.Meta.Workloads {
		if l.Meta.Workloads[i].ActsOn() == object {
			indexes = append(indexes, i)
		}
	}
	return indexes
}
