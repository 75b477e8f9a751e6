package foreign

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/history"
)

// faults follows what the nemesis does. Each of its operations is told twice:
// when it begins and when it is done.
type faults struct {
	begun  string            // function of the entry before, which is not done
	inside map[string]string // kind of fault → id, of those in force
	count  int
}

// bystander takes what the nemesis did into the events.
func (b *builder) bystander(e *entry) {
	if x := e.extra(); x != nil {
		switch {
		case x.Event != nil:
			if !b.timed {
				x.Event.At, x.Event.Planned = b.now, 0
			}
			b.log.Events = append(b.log.Events, *x.Event)
		case x.Torn:
			b.log.Torn = true
		}
		return
	}
	f := &b.faults
	name := string(e.function)
	done := f.begun == name
	f.begun = name
	if !done {
		return
	}
	f.begun = ""
	event := history.Event{At: b.now, Kind: history.EventNote, Detail: strings.TrimSpace("nemesis " + name + " " + detail(&e.value))}
	kind, ends := f.meaning(name)
	switch id, active := f.inside[kind]; {
	case kind == "" || ends != active:
	case ends:
		event.Kind, event.Fault, event.Name = history.EventHeal, id, kind
		delete(f.inside, kind)
	default:
		f.count++
		if f.inside == nil {
			f.inside = map[string]string{}
		}
		event.Kind, event.Fault, event.Name, event.Planned = history.EventFault, fmt.Sprintf("f%d", f.count), kind, b.now
		f.inside[kind] = event.Fault
	}
	b.log.Events = append(b.log.Events, event)
}

// detail is the nemesis's value for people.
func detail(v *value) string {
	if v.shape == nothing {
		return ""
	}
	return v.describe()
}

// meaning is the kind of fault that a function of the nemesis begins or ends;
// empty for any other.
func (f *faults) meaning(function string) (kind string, ends bool) {
	if kind, ok := strings.CutPrefix(function, "start-"); ok {
		return kind, false
	}
	if kind, ok := strings.CutPrefix(function, "stop-"); ok {
		return kind, true
	}
	switch function {
	case "kill", "pause", "partition":
		return function, false
	case "resume":
		return "pause", true
	case "heal":
		return "partition", true
	case "restart":
		return "kill", true
	case "start": // ends a kill, or begins the classic partition
		if _, killed := f.inside["kill"]; killed {
			return "kill", true
		}
		return "partition", false
	case "stop":
		return "partition", true
	}
	return "", false
}
