package workloads

import (
	"fmt"

	"github.com/aftershock-chaos/aftershock/schema"
)

// MaxPipeline bounds the operations that one client has under way.
const MaxPipeline = 1024

// pipelineKey is the row of how many operations each client has under way.
func pipelineKey() schema.Key[Spec] {
	return schema.Key[Spec]{Field: schema.Field{Name: "pipeline", Type: schema.Whole, Min: 1, Max: MaxPipeline, Absent: "one after the other", Example: "16",
		Meaning: "operations that each client may have under way at once on one connection, for targets whose protocol can"},
		At: func(s *Spec) any { return &s.Pipeline }}
}

// pipelined is a workload of which each client has several operations under way.
// To the history every one of these is a client of its own, a worker with its own
// generator, which does one operation at a time; they share the connections and the
// pacer of their client. Worker i belongs to client i / Pipeline.
type pipelined struct {
	Workload      // for as many clients as there are workers
	spec     Spec // as the plan says it
}

// newPipelined makes the workload of spec by build.
func newPipelined(spec Spec, build func(Spec) (Workload, error)) (Workload, error) {
	if spec.Pipeline < 1 || spec.Pipeline > MaxPipeline {
		return nil, fmt.Errorf("pipeline is %d; use 1 to %d", spec.Pipeline, MaxPipeline)
	}
	whole := spec
	if whole.Clients *= spec.Pipeline; spec.Clients <= maxClients && whole.Clients > maxClients {
		return nil, fmt.Errorf("%d clients with %d operations under way each are %d at once; at most %d can be told apart: use fewer clients or a shorter pipeline",
			spec.Clients, spec.Pipeline, whole.Clients, maxClients)
	}
	w, err := build(whole)
	if err != nil {
		return nil, err
	}
	return &pipelined{w, spec}, nil
}

// Spec is that of the plan.
func (w *pipelined) Spec() Spec { return w.spec }

// Pacer is that of client i, for all its workers.
func (w *pipelined) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }

// KeyBound is how many keys the workload may use.
func (w *pipelined) KeyBound() int { return KeyBound(w.Workload) }

// Connections is how many clients a workload has, each with connections of its own.
func Connections(w Workload, nodes int) int {
	return w.Workers(nodes) / max(w.Spec().Pipeline, 1)
}
