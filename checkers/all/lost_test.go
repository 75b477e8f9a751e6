package all

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aftershock-chaos/aftershock/history"
)

// foretold are the types of workloads of which possible operations can be told.
var foretold = []string{registerType, setType, appendType, idsType}

// bereft makes of a whole log the one that is left where a driver was lost at some time: of
// its operations since then it has possible ones, in place of what had an effect, and some
// that never were; or, of workloads of which nobody can tell those, nothing.
func bereft(r *rand.Rand, whole *history.Log, object string) *history.Log {
	log := *whole
	log.Ops = nil
	log.Meta.Drivers = nil
	drivers, workers := 2, 64
	if object == lagType {
		drivers = 1 // markers and those that look for them are of one driver
	}
	for d := range drivers {
		log.Meta.Drivers = append(log.Meta.Drivers, history.Driver{Name: fmt.Sprint("driver", d+1), Workers: [][2]int{{workers * d / drivers, workers * (d + 1) / drivers}}})
	}
	// Which worker a process is does not matter to any checker but by this.
	d := &log.Meta.Drivers[r.IntN(drivers)]
	seed := r.Uint64()
	workerOf := func(process uint32) uint16 {
		return uint16((uint64(process)*0x9e3779b97f4a7c15>>32 ^ seed) % uint64(workers))
	}
	cut := whole.Ops[r.IntN(len(whole.Ops))].End
	d.Lost = max(cut, 1)
	last := map[uint32]int64{} // by process: when it was recorded to have ended something
	for _, op := range whole.Ops {
		if op.Worker = workerOf(op.Process); mine(d, &op) && op.End <= cut {
			last[op.Process] = max(last[op.Process], op.End)
		}
	}
	told := slices.Contains(foretold, object) && !slices.ContainsFunc(whole.Ops, func(op history.Op) bool { return op.Kind == history.CAS })
	if !told {
		d.Untold = []string{"nobody tells"}
	}
	process := uint32(1 << 20)
	for _, op := range whole.Ops {
		op.Worker = workerOf(op.Process)
		if !mine(d, &op) || op.End <= cut {
			log.Ops = append(log.Ops, op)
			continue
		}
		// A process of these histories may do several things at once.
		if told && possible(&op, min(last[op.Process], op.Start), process) {
			log.Ops = append(log.Ops, op)
			process++
		}
	}
	if told && (object == registerType || object == setType) { // what it would have sent next
		op := history.Op{Kind: history.Add, Value: 1 << 50, Worker: uint16(d.Workers[0][0]), Start: cut, End: cut, Process: process, Node: -1, Error: history.ErrUntold}
		if object == registerType {
			op.Kind = history.Write
		}
		log.Ops = append(log.Ops, op)
	}
	history.Sort(log.Ops)
	log.Doubts.Lost = d.Name + " was lost"
	return &log
}

func mine(d *history.Driver, op *history.Op) bool {
	w := d.Workers[0]
	return !op.Final() && w[0] <= int(op.Worker) && int(op.Worker) < w[1]
}

// possible makes of an operation the possible one; it is false where it had no effect.
func possible(op *history.Op, since int64, process uint32) bool {
	switch op.Kind {
	case history.Write, history.Add:
	case history.Txn:
		micros, _ := history.Micros(op.Elements)
		op.Elements = nil
		for _, m := range micros {
			if m.Read {
				m.Known, m.List = false, nil
			}
			op.Elements = history.AppendMicro(op.Elements, m)
		}
	default:
		return false
	}
	op.Outcome, op.Error, op.Node, op.Flags, op.Observed, op.Process = history.Unknown, history.ErrUntold, -1, 0, 0, process
	op.Intended, op.Start, op.End = since, since, since
	return true
}

// TestDifferentialLostDriver: a log without what a lost driver was told last never tells of
// a violation that the whole has not, nor lets a claim hold that the whole violates; and
// where the loss is tolerated it never tells of one that the whole has not either.
func TestDifferentialLostDriver(t *testing.T) {
	var mu sync.Mutex
	found, missed, held := map[string]int{}, map[string]int{}, map[string]int{}
	eachDriven(t, 14_000, func(o *object, r *rand.Rand) string {
		whole := drivenWorld(o, r)
		if foreign(whole) || o.workload == registerType && soothsaid(whole) {
			return ""
		}
		less := bereft(r, whole, o.workload)
		before, after := judgedAll(o, whole), judgedAll(o, less)
		less.Doubts.Tolerated = true
		tolerated := judgedAll(o, less)
		for name, v := range before {
			least, most := v.Bounds()
			now, nowMost := after[name].Bounds()
			only, _ := tolerated[name].Bounds()
			_, onlyMost := tolerated[name].Bounds()
			why := ""
			switch {
			case strings.HasPrefix(name, "linearizable.keys") || strings.HasSuffix(name, ".unknown"):
			case name == "reads.order_flips" && before["linearizable"].N == 0: // of what contradicts anyhow this is told only in some cases
			case now > most:
				why = "more is said than is true of the whole"
			case nowMost < least:
				why = "less is said than is true of the whole"
			case classOf(name) != sound && name != "linearizable" && !strings.HasPrefix(name, "sessions.") && only > most:
				why = "where it is tolerated, more is said than is true of the whole"
			case (classOf(name) == sound || name == "linearizable") && onlyMost < least:
				why = "where it is tolerated, what is right is said to be wrong"
			}
			if why != "" {
				return fmt.Sprintf("%s: %s\nwhole %+v\nsaid %+v, tolerated %+v\nwhole\n%ssaid\n%s%+v", name, why, v, after[name], tolerated[name], showOps(whole), showOps(less), less.Meta.Drivers)
			}
			mu.Lock()
			switch {
			case classOf(name) == anomaly && least > 0 && now > 0 && !strings.HasSuffix(name, ".acked"):
				found[o.workload]++
			case classOf(name) == anomaly && least > 0:
				missed[o.workload]++
			case least == 0 && most == 0 && onlyMost == 0:
				held[o.workload]++
			}
			mu.Unlock()
		}
		return ""
	})
	t.Logf("found %v, missed %v, held of what is recorded %v", found, missed, held)
	for _, object := range foretold[:3] {
		if !t.Failed() && (found[object] < 20 || held[object] < 20) {
			t.Errorf("%s: anomalies were found %d times, and none %d times", object, found[object], held[object])
		}
	}
}
