package results

// LoadPhase is a stretch of a run in which the load followed one rule. Times are
// nanoseconds of the run's clock.
type LoadPhase struct {
	Name  string `json:"name"`
	Rule  string `json:"rate"` // in words: "500/s", "100/s to 2000/s"
	Begin int64  `json:"begin_ns"`
	End   int64  `json:"end_ns"`
}

// headline are the facts that every summary has, whether a claim is about them
// or not.
var headline = [...]string{"ops.rate", "errors.rate", "latency.p50", "latency.p99", "availability.write_gap.max", "failover.max"}

// Headline is what everybody asks of a run first: throughput, errors, latency,
// the longest gap in writing and the longest failover, as far as it was measured.
func (v *Verdict) Headline() []FactValue {
	var all []FactValue
	for _, name := range headline {
		if value, ok := v.Fact(name); ok {
			all = append(all, value)
		}
	}
	return all
}

// Fact is a measured fact by its name; false if the run has none of it.
func (v *Verdict) Fact(name string) (FactValue, bool) {
	for _, value := range v.Values {
		if value.Name == name {
			return value, true
		}
	}
	return FactValue{}, false
}
