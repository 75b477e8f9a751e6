package workloads

import (
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

var queueOperations = []operation{{"enqueue", history.Enqueue}, {"dequeue", history.Dequeue}}

func queueType() entry {
	return entry{
		TypeInfo: TypeInfo{
			Name:   "queue",
			About:  "enqueues unique messages and dequeues them; at the end every queue is drained, to see what was lost",
			Object: history.ObjectQueue,
			Keys: []schema.Key[Spec]{
				keysKey(1, maxKeys, "number of queues"),
				mixKey("{enqueue: 50, dequeue: 50}", queueOperations, "weights of the operations; what is left over is drained within settle"),
				readFromKey("which nodes are dequeued from; messages are enqueued at the primary"),
				clientsKey(4, "workers, each with its own connections; each enqueues and dequeues"),
				rateKey("500/s", "operations per second of all clients together"),
				distributionKey("how queues are chosen; zipfian has few hot queues"),
				valueKey("how long the messages are"),
			},
		},
		build: newQueue,
	}
}

func newQueue(s Spec) (Workload, error) {
	if err := checkLoad(s, operationNames(queueOperations)); err != nil {
		return nil, err
	}
	return &queue{spec: s, keys: keys.New(s.Keys, s.Distribution), mix: newMix(s.Mix, queueOperations)}, nil
}

// queue is the workload of message queues.
type queue struct {
	spec Spec
	keys *keys.Distribution
	mix  mix
}

func (w *queue) Spec() Spec { return w.spec }

// Kinds has Drain always, for the end of the run.
func (w *queue) Kinds() []history.Kind {
	var kinds []history.Kind
	for _, o := range queueOperations {
		if w.mix.has(o.kind) {
			kinds = append(kinds, o.kind)
		}
	}
	return append(kinds, history.Drain)
}

func (w *queue) Workers(int) int   { return w.spec.Clients }
func (w *queue) Measured(int) bool { return true }

func (w *queue) Worker(i, _ int, seed uint64) Generator {
	return &queueGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys.Worker(i, w.spec.Clients), mix: w.mix,
		last: firstValue(i), dequeues: readRoute(w.spec.ReadFrom)}
}

func (w *queue) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }

// Finals drains every queue through node n. The harness drains through one
// node after the other, and through no replica.
func (w *queue) Finals(n int) []Request {
	drains := finals(w.spec.Keys, n, history.Drain)
	for i := range drains {
		drains[i].Op.Value = history.Nil
	}
	return drains
}

// queueGenerator is one worker of a queue workload.
type queueGenerator struct {
	rng      *rand.PCG
	keys     keys.Chooser
	mix      mix
	last     int64 // the last message enqueued
	dequeues Route
}

func (g *queueGenerator) Next(r *Request) {
	kind := g.mix.pick(g.rng.Uint64())
	begin(r, kind, g.keys.Next(g.rng.Uint64(), kind == history.Enqueue))
	r.Pick = uint32(g.rng.Uint64() >> 32)
	if kind == history.Dequeue {
		r.Op.Value, r.Route = history.Nil, g.dequeues
		return
	}
	g.last++
	r.Op.Value = g.last
}

func (g *queueGenerator) Done(*history.Op) {}
