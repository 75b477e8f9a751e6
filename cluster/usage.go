package cluster

import (
	"context"
	"time"

	"github.com/aftershock-chaos/aftershock/history/usage"
)

// Usage is what a node has taken of its machine.
type Usage struct {
	At time.Time // on the harness's clock; inside the agent, on the agent's
	usage.Set
}

// Metered is what a Control can tell besides: what its node took. No network fault
// and no pause touches that.
type Metered interface {
	Usage(ctx context.Context) (Usage, error)
}
