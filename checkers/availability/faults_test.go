package availability

import (
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestFaultsOfEvents(t *testing.T) {
	values := countFaults(&history.Log{Events: []history.Event{
		{At: 10, Planned: 8, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n1"}},
		{At: 12, Planned: 8, Kind: history.EventFault, Fault: "f1", Name: "kill", Nodes: []string{"n2"}},
		{At: 20, Planned: 99, Kind: history.EventFault, Fault: "f2", Failed: true, Detail: "no such node"},
		{At: 40, Planned: 45, Kind: history.EventFault, Fault: "f3", Nodes: []string{"n1"}},
		{At: 70, Kind: history.EventFault, Fault: "f4", Nodes: []string{"n1"}}, // not planned for an instant
	}}).Values
	if values[0].N != 3 || values[1].N != 5 || !values[1].Known {
		t.Errorf("facts are %+v", values)
	}
	if none := countFaults(&history.Log{}).Values; none[0].N != 0 || !none[0].Known || none[1].Known {
		t.Errorf("facts without faults are %+v", none)
	}
}
