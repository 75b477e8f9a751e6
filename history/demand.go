package history

import "time"

// LateBound is how much later than intended an operation is sent at most without
// counting as late: what a timer and a busy machine may take.
const LateBound = 10 * time.Millisecond

// ClosedLoad is what an event of kind EventLoad says of a phase without a rate.
const ClosedLoad = "as fast as answers come"

// Demand is what an event of kind EventDemand tells of one workload.
type Demand struct {
	Stop   int64    `json:"stop"`             // no operation was intended at or after it
	Asked  int64    `json:"asked,omitempty"`  // operations intended in the measured phase; none of a closed loop
	Closed bool     `json:"closed,omitempty"` // a closed loop, at least for a time, which intends nothing beyond what it sends
	Kinds  []string `json:"kinds,omitempty"`  // what the operations can be
	Unsent []Unsent `json:"unsent,omitempty"` // in order of From
	Own    *Own     `json:"own,omitempty"`    // nil: a closed loop, or a run of before
}

// Unsent is a number of operations that were intended from From to Until and
// never sent: no client was free for them before the load was over, or they were
// skipped as their time had passed.
type Unsent struct {
	From    int64 `json:"from"`
	Until   int64 `json:"until"`
	Count   int64 `json:"count"`
	Skipped bool  `json:"skipped,omitempty"`
	Waited  int64 `json:"waited,omitempty"` // skipped: how long each had waited at least when it was given up
	// Untold says that they may have been sent, and answered: a driver was lost that was to
	// send them, and nobody tells.
	Untold bool `json:"untold,omitempty"`
}

// Own is how much later operations at a rate were sent than they could have been:
// what the harness itself took, when a client that was free woke late or did not
// come to it. What a client waited for the system is no part of it.
type Own struct {
	Sent int64 `json:"sent"` // operations at a rate, of the measured phase
	Late int64 `json:"late"` // of these, more than LateBound too late by the harness's doing
	P99  int64 `json:"p99_ns"`
	Max  int64 `json:"max_ns"`
}

// MaxUnsent bounds the operations of one entry that a reader believes in.
const MaxUnsent = 1 << 40

// May tells whether an operation can be of a kind; of a workload that
// tells no kinds it can be of any.
func (d *Demand) May(kind Kind) bool {
	for _, name := range d.Kinds {
		if name == kind.String() {
			return true
		}
	}
	return len(d.Kinds) == 0
}
