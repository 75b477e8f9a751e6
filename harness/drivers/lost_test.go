package drivers

import (
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
)

// lost has threeDrivers drive, of which the second dies in mid-run.
func lost(t *testing.T, mix string, s *store) *history.Log {
	log, _ := run(t, strings.Replace(threeDrivers, "{read: 50, write: 40, cas: 10}", mix, 1), s, nil, func(all []*process) {
		time.Sleep(500 * time.Millisecond)
		all[1].die()
	})
	return log
}

// byLost counts the operations of the second driver's registers that are recorded, those that it may have
// done besides, and those of others.
func byLost(t *testing.T, log *history.Log) (recorded, possible, others int) {
	w, ended := log.Meta.Drivers[1].Workers[0], map[uint16]int64{}
	for i := range log.Ops {
		op := &log.Ops[i]
		switch mine := op.Workload == 0 && w[0] <= int(op.Worker) && int(op.Worker) < w[1]; {
		case !mine && op.Error == history.ErrUntold:
			t.Errorf("another's possible operation: %+v", op)
		case !mine:
			others++
		case op.Error == history.ErrUntold:
			possible++
			if op.Start < ended[op.Worker] || op.Outcome != history.Unknown || op.Kind != history.Write {
				t.Errorf("possible %+v after %d", op, ended[op.Worker])
			}
		default:
			recorded++
			ended[op.Worker] = op.End
		}
	}
	return recorded, possible, others
}

// TestALostDriver: the rest of the run goes on and is judged; what the lost one may have
// done that others saw is in the history, and nothing is concluded from what is missing
// unless that is tolerated.
func TestALostDriver(t *testing.T) {
	log := lost(t, "{read: 50, write: 50}", &store{})
	if d := log.Meta.Drivers; log.Torn || !strings.Contains(log.Doubts.Lost, "driver2 was lost") || d[1].Lost == 0 || d[1].Gone < d[1].Lost || d[0].Lost != 0 {
		t.Fatalf("torn %v, doubts %+v, %+v", log.Torn, log.Doubts, d)
	}
	recorded, possible, others := byLost(t, log)
	if recorded < 40 || possible < 1 || others < 400 {
		t.Errorf("%d operations of the lost driver, %d possible ones, %d of others", recorded, possible, others)
	}
	v := values(log)
	if v["linearizable"].Known || v["reads.phantom"].N != 0 || v["reads.phantom"].Known || v["reads.future"].N > 0 || !v["lag.markers"].Known {
		t.Errorf("linearizable %+v, phantom %+v, future %+v, markers %+v", v["linearizable"], v["reads.phantom"], v["reads.future"], v["lag.markers"])
	}
	log.Doubts.Tolerated = true
	if v := values(log); v["linearizable"].N != 1 || v["reads.phantom"] != (checkers.Value{Name: "reads.phantom", Known: true}) || !v["writes.acked"].AtLeast {
		t.Errorf("where it is tolerated: linearizable %+v, phantom %+v, acked %+v", v["linearizable"], v["reads.phantom"], v["writes.acked"])
	}
	broken := lost(t, "{read: 50, write: 50}", &store{stale: 200 * time.Millisecond})
	if v := values(broken); !v["linearizable"].Known || v["linearizable"].N != 0 || v["reads.stale"].N == 0 {
		t.Errorf("of a system that is broken: linearizable %+v, stale %+v", v["linearizable"], v["reads.stale"])
	}
}

// TestWhatALostDriverWasAskedFor: what it certainly did not send is missing, and what it
// may have sent counts for anything; the time of which nothing is known is told.
func TestWhatALostDriverWasAskedFor(t *testing.T) {
	log := lost(t, "{read: 50, write: 50}", &store{})
	losses, dark := 0, time.Duration(0)
	missing, maybe, asked := int64(0), int64(0), int64(0)
	for _, e := range log.Events {
		switch {
		case e.Kind == history.EventDriver && e.Node == "driver2":
			losses++
		case e.Kind == history.EventUntrusted && e.Name == "lost":
			dark = time.Duration(e.Until - e.At)
		case e.Kind == history.EventDemand:
			asked += e.Demand.Asked
			for _, u := range e.Demand.Unsent {
				if u.Untold {
					maybe += u.Count
				} else {
					missing += u.Count
				}
			}
		}
	}
	recorded, _, _ := byLost(t, log)
	if losses != 1 || asked != 600 || missing < 20 || missing > 140 || maybe < 1 || maybe > 160 || dark <= 0 || dark > 800*time.Millisecond {
		t.Errorf("%d losses; asked %d, missing %d, perhaps %d, nothing known for %s", losses, asked, missing, maybe, dark)
	}
	if sum := int64(recorded) + missing + maybe; sum < 186 || sum > 280 { // two of seven clients, in 1.1 s, and looks before writes
		t.Errorf("%d recorded, %d missing and %d untold do not make up what was asked for", recorded, missing, maybe)
	}
}

// TestALostDriverThatHeeded: of a workload whose clients go by what they were answered
// nothing is made up, and its log is torn; for others it is not.
func TestALostDriverThatHeeded(t *testing.T) {
	log := lost(t, "{read: 50, write: 40, cas: 10}", &store{})
	if _, possible, _ := byLost(t, log); possible != 0 || log.Torn {
		t.Errorf("%d possible operations, torn %v", possible, log.Torn)
	}
	log.Doubts.Tolerated = true
	if v := values(log); v["linearizable"].Known || !strings.Contains(v["linearizable"].Why, "compare-and-sets") || !v["lag.markers"].Known || v["lag.markers"].AtLeast {
		t.Errorf("linearizable %+v, markers %+v", v["linearizable"], v["lag.markers"])
	}
}
