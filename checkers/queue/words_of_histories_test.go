package queue

import "github.com/aftershock-chaos/aftershock/checkers/checktest"

// The words in which this package's tests write histories.

const (
	nothing   = checktest.Nothing
	queueType = checktest.QueueType
)

var (
	benchmark      = checktest.Benchmark
	by             = checktest.By
	call           = checktest.Call
	classes        = checktest.Classes
	dequeue        = checktest.Dequeue
	drain          = checktest.Drain
	els            = checktest.Els
	enqueue        = checktest.Enqueue
	expect         = checktest.Expect
	failed         = checktest.Failed
	held           = checktest.Held
	key            = checktest.Key
	logOf          = checktest.LogOf
	node           = checktest.Node
	orderedQueue   = checktest.OrderedQueue
	show           = checktest.Show
	simulatedQueue = checktest.SimulatedQueue
	torn           = checktest.Torn
	unknown        = checktest.Unknown
	warm           = checktest.Warm
)
