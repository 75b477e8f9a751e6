package results

import (
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results/claims"
)

// refuting are the classes of findings that facts count, or that refute them.
// Names end where those of all facts below begin. Isolation levels are apart, see
// refutes.
var refuting = map[string][]checkers.Class{
	"writes.lost": {checkers.LostWrite}, "writes.resurrected": {checkers.Resurrected}, "writes.lost_updates": {checkers.LostUpdate},
	"reads.phantom": {checkers.Phantom}, "reads.future": {checkers.Future}, "reads.order_flips": {checkers.OrderFlip},
	"reads.stale": {checkers.StaleRead}, "reads.stale_ratio": {checkers.StaleRead}, "reads.staleness": {checkers.StaleRead},
	"reads.version_lag": {checkers.StaleRead}, "reads.<node>": {checkers.StaleRead}, "reads.delta_atomicity": {checkers.StaleRead, checkers.NotLinear},
	"linearizable": {checkers.NotLinear}, "replicas.diverged": {checkers.Diverged},
	"sessions.read_your_writes": {checkers.ReadYourWrites}, "sessions.monotonic_reads": {checkers.MonotonicRead},
	"sessions.monotonic_writes": {checkers.MonotonicWrite}, "sessions.writes_follow_reads": {checkers.WriteAfterRead},
	"set.lost": {checkers.LostElement}, "set.lost_latency": {checkers.LostElement}, "set.resurrected": {checkers.Resurrected},
	"set.phantom": {checkers.Phantom}, "set.duplicated": {checkers.Duplicate}, "set.stale": {checkers.StaleSet}, "set.stable_latency": {checkers.StaleSet},
	"set.<node>.stale": {checkers.StaleSet}, "set.flapping": {checkers.Flapping}, "set.<node>.flapping": {checkers.Flapping}, "set.diverged": {checkers.Diverged},
	"queue.lost": {checkers.LostMessage}, "queue.undelivered": {checkers.LostMessage}, "queue.duplicated": {checkers.DuplicateMessage},
	"queue.redelivered": {checkers.DuplicateMessage}, "queue.unexpected": {checkers.UnexpectedMessage}, "queue.reordered": {checkers.ReorderedMessage},
	"queue.reordered_by_producer": {checkers.ReorderedMessage}, "queue.fifo": {checkers.NotFIFO},
	"append.lost": {checkers.LostElement}, "counter.out_of_bounds": {checkers.OutOfBounds}, "counter.error": {checkers.OutOfBounds}, "counter.lost": {checkers.OutOfBounds},
	"ids.duplicated": {checkers.DuplicateID}, "bank.wrong_total": {checkers.WrongTotal}, "bank.error": {checkers.WrongTotal}, "bank.overdrawn": {checkers.Overdrawn},
	"rpo.ops": lossClasses, "rpo.time": lossClasses, "rpo.<fault>": lossClasses,
	"server.crashes": {checkers.Crash}, "recovered": {checkers.NotRecovered}, "recovery.time": {checkers.NotRecovered},
}

// lossClasses are those of acknowledged writes that were lost, of whatever object.
var lossClasses = []checkers.Class{checkers.LostWrite, checkers.LostElement, checkers.LostMessage}

// findingsOf are the indexes of the findings that are evidence for a claim's
// facts; never nil.
func (v *Verdict) findingsOf(claim *claims.Claim, workloads []history.WorkloadMeta) []int {
	found := []int{}
	for _, fact := range claim.Facts() {
		checker, ok := claims.MeasuredBy(fact)
		if !ok {
			continue
		}
		for i := range v.Findings {
			f := &v.Findings[i]
			judged := len(checker.Objects) == 0 || slices.ContainsFunc(workloads, func(w history.WorkloadMeta) bool { return w.Name == f.Workload && checkers.Judges(&checker, w) })
			if judged && v.refutes(f.Class, fact) && !slices.Contains(found, i) {
				found = append(found, i)
			}
		}
	}
	slices.Sort(found)
	return found
}

// refutes tells whether an anomaly of a class is counted by a fact, or refutes it.
func (v *Verdict) refutes(class checkers.Class, fact string) bool {
	if level, ok := levelOf(fact); ok && v.Isolation != nil {
		return slices.ContainsFunc(v.Isolation.Anomalies, func(a checkers.ClassCount) bool {
			rules, known := levelOf("append." + strings.ReplaceAll(a.Not, " ", "_"))
			return a.Class == class && (!known || rules <= level || fact == "append.anomalies")
		})
	}
	for name := claims.PatternOf(fact); name != ""; {
		if classes, ok := refuting[name]; ok {
			return slices.Contains(classes, class)
		}
		name = name[:max(strings.LastIndexByte(name, '.'), 0)]
	}
	return false
}

// levelOf is the place of an isolation level among the facts, the weakest first.
func levelOf(fact string) (int, bool) {
	if fact == "append.anomalies" {
		return 0, true
	}
	at := slices.IndexFunc(claims.Facts(), func(f checkers.Fact) bool {
		return f.Name == fact && f.Unit == checkers.Boolean && strings.HasPrefix(f.Name, "append.")
	})
	return at, at >= 0
}
