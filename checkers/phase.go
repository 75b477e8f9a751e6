package checkers

// Phase is the part of a run that an operation belongs to. What was intended
// outside of the measured phase is warm-up or settling. Of the rest, one that a
// fault touched is "during": the fault was in force at some instant from when
// the operation was intended until it was answered. One that ended before the
// first fault is "before", any other "after". Every fact and every table
// follows this one rule: see kit.Timeline.
type Phase string

// The phases of a run.
const (
	PhaseWarmup Phase = "warmup"
	PhaseBefore Phase = "before" // measured, before the first fault
	PhaseDuring Phase = "during" // measured, some fault was in force meanwhile
	PhaseAfter  Phase = "after"  // measured, no fault was in force meanwhile, and there had been one
	PhaseSettle Phase = "settle" // after the measured phase
	PhaseFinal  Phase = "final"  // final reads
)

// MeasuredPhases are those that facts are measured in.
var MeasuredPhases = [...]Phase{PhaseBefore, PhaseDuring, PhaseAfter}

// Measured tells whether facts are measured in the phase.
func (p Phase) Measured() bool { return p == PhaseBefore || p == PhaseDuring || p == PhaseAfter }

// LatencyRow is the latency of one kind of operation in one phase. Times are
// nanoseconds from the intended start to the answer of acknowledged operations.
type LatencyRow struct {
	Kind  string `json:"kind"`
	Phase Phase  `json:"phase,omitempty"` // empty: all measured phases
	Count int64  `json:"count"`
	P50   int64  `json:"p50_ns"`
	P90   int64  `json:"p90_ns"`
	P99   int64  `json:"p99_ns"`
	P999  int64  `json:"p999_ns"`
	Max   int64  `json:"max_ns"`

	Service *ServiceTimes `json:"service,omitempty"` // of all measured phases; nil for one of them

	Doubted int64 `json:"doubted,omitempty"` // further ones, whose times are in doubt: the harness did not run as it should
}

// ServiceTimes are nanoseconds from the actual start of acknowledged operations to
// their answers.
type ServiceTimes struct {
	P50  int64 `json:"p50_ns"`
	P90  int64 `json:"p90_ns"`
	P99  int64 `json:"p99_ns"`
	P999 int64 `json:"p999_ns"`
	Max  int64 `json:"max_ns"`
}
