package history

import (
	"reflect"
	"slices"
	"testing"
)

func fault(at int64, id string, nodes ...string) Event {
	return Event{At: at, Kind: EventFault, Fault: id, Name: "kill", Nodes: nodes}
}

func healed(at int64, id string, nodes ...string) Event {
	return Event{At: at, Kind: EventHeal, Fault: id, Name: "kill", Nodes: nodes}
}

func failed(e Event) Event {
	e.Failed = true
	return e
}

func TestWindows(t *testing.T) {
	kill := func(id string, begin, end int64, healed bool, nodes ...string) Window {
		return Window{Fault: id, Name: "kill", Nodes: nodes, Begin: begin, End: end, Healed: healed}
	}
	for name, c := range map[string]struct {
		events []Event
		ops    []Op
		want   []Window
	}{
		"none":                  {},
		"paired":                {events: []Event{fault(1, "f1", "n1"), healed(5, "f1", "n1")}, want: []Window{kill("f1", 1, 5, true, "n1")}},
		"overlapping":           {events: []Event{fault(1, "f1", "n1"), fault(2, "f2", "n2"), healed(5, "f1", "n1"), healed(9, "f2", "n2")}, want: []Window{kill("f1", 1, 5, true, "n1"), kill("f2", 2, 9, true, "n2")}},
		"never healed":          {events: []Event{fault(1, "f1", "n1")}, ops: []Op{{Start: 3, End: 70}, {Start: 4, End: 50}}, want: []Window{kill("f1", 1, 70, false, "n1")}},
		"never healed, no ops":  {events: []Event{fault(1, "f1", "n1"), {At: 12, Kind: EventNote}}, want: []Window{kill("f1", 1, 12, false, "n1")}},
		"without effect":        {events: []Event{failed(fault(1, "f1", "n1")), healed(5, "f1", "n1")}},
		"heal failed first":     {events: []Event{fault(1, "f1", "n1"), failed(healed(5, "f1", "n1")), healed(8, "f1", "n1")}, want: []Window{kill("f1", 1, 8, true, "n1")}},
		"node by node":          {events: []Event{fault(1, "f1", "n1"), fault(2, "f1", "n2"), healed(5, "f1", "n2"), healed(6, "f1", "n1")}, want: []Window{kill("f1", 1, 6, true, "n1", "n2")}},
		"heal names nobody":     {events: []Event{fault(1, "f1", "n1", "n2"), healed(5, "f1")}, want: []Window{kill("f1", 1, 5, true, "n1", "n2")}},
		"heal without a fault":  {events: []Event{healed(5, "f1", "n1")}},
		"again after its heal":  {events: []Event{fault(1, "f1", "n1"), healed(5, "f1"), fault(7, "f1", "n2"), healed(9, "f1")}, want: []Window{kill("f1", 1, 5, true, "n1"), kill("f1", 7, 9, true, "n2")}},
		"events out of order":   {events: []Event{healed(5, "f1", "n1"), fault(1, "f1", "n1")}, want: []Window{kill("f1", 1, 5, true, "n1")}},
		"instant, same instant": {events: []Event{fault(5, "f1", "n1"), healed(5, "f1", "n1")}, want: []Window{kill("f1", 5, 5, true, "n1")}},
	} {
		t.Run(name, func(t *testing.T) {
			log := &Log{Events: slices.Clone(c.events), Ops: c.ops}
			if got := log.Windows(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if !reflect.DeepEqual(log.Events, slices.Clone(c.events)) {
				t.Error("the log's events were changed")
			}
		})
	}
}

func TestWindowContains(t *testing.T) {
	w := Window{Begin: 10, End: 20}
	for _, c := range []struct {
		begin, end int64
		want       bool
	}{{0, 9, false}, {0, 10, true}, {12, 13, true}, {0, 99, true}, {20, 30, true}, {21, 30, false}} {
		if got := w.Contains(c.begin, c.end); got != c.want {
			t.Errorf("Contains(%d, %d) = %v", c.begin, c.end, got)
		}
	}
}

func TestMeasureSpan(t *testing.T) {
	phase := func(at int64, name string) Event { return Event{At: at, Kind: EventPhase, Detail: name} }
	for name, c := range map[string]struct {
		events     []Event
		begin, end int64
		ok         bool
	}{
		"whole":        {[]Event{phase(1, "warmup"), phase(3, "measure"), phase(9, "heal"), phase(12, "end")}, 3, 9, true},
		"out of order": {[]Event{phase(9, "heal"), phase(3, "measure")}, 3, 9, true},
		"cut short":    {[]Event{phase(3, "measure"), fault(7, "f1")}, 3, 44, true},
		"never begun":  {[]Event{phase(1, "warmup"), phase(2, "heal")}, 0, 0, false},
		"no phases":    {[]Event{{At: 3, Kind: EventNote, Detail: "measure"}}, 0, 0, false},
	} {
		log := &Log{Events: c.events, Ops: []Op{{Start: 40, End: 44}}}
		if begin, end, ok := log.MeasureSpan(); begin != c.begin || end != c.end || ok != c.ok {
			t.Errorf("%s: got %d, %d, %v", name, begin, end, ok)
		}
	}
}

func TestWorkloadIndex(t *testing.T) {
	log := &Log{Meta: Meta{Workloads: []WorkloadMeta{{Type: "register"}, {Type: "lag"}, {Type: "bank", Object: ObjectRegister}}}}
	for object, want := range map[Object][]int{ObjectRegister: {0, 2}, ObjectMarker: {1}, ObjectSet: nil, ObjectAccounts: nil} {
		if got := log.WorkloadIndex(object); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", object, got, want)
		}
	}
}
