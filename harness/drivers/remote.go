package drivers

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history/clocks"
)

// remote is one driver.
type remote struct {
	index  int
	name   string
	node   *cluster.Node
	path   string // of the copy of its history
	orders net.Conn
	out    *json.Encoder
	writes sync.Mutex // of orders

	ready, filled, over, ended, copied, lost chan struct{} // closed when it is
	once                                     [6]sync.Once
	loaded                                   filled
	size                                     int64 // of the history that has all of the load

	mu      sync.Mutex
	why     error // of the loss
	lostAt  int64
	gone    int64 // when its process had ended for certain; 0: not known
	began   int64 // no operation of the load began before, on its clock; 0: it was never told of the load
	courses []course
	looks   []clocks.Look
	offset  int64    // by the best of the last looks
	tapped  int64    // bytes of the history that were shown
	from    net.Conn // its history
	whole   bool     // its copy is
}

// order sends an order. It never waits for long: the driver reads at once.
func (d *remote) order(o order) error {
	d.writes.Lock()
	defer d.writes.Unlock()
	_ = d.orders.SetWriteDeadline(time.Now().Add(cluster.DefaultLease))
	return d.out.Encode(o)
}

// await waits for something of a driver. A lost one has an error.
func (d *remote) await(ctx context.Context, what chan struct{}) error {
	select {
	case <-what:
		return nil
	case <-d.lost:
		select {
		case <-what:
			return nil
		default:
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.why
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *remote) close(which int, what chan struct{}) { d.once[which].Do(func() { close(what) }) }

// recordedAll tells whether all of its load was shown, once that is over.
func (d *remote) recordedAll() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tapped >= d.size
}

func (d *remote) isLost() bool {
	select {
	case <-d.lost:
		return true
	default:
		return false
	}
}
