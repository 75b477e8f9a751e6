// Package drivers has the load driven by several processes, each on a node of its own
// beside the target's, and makes one history of what they recorded.
//
// A driver (serve.go) is the same binary. It has the plan, its share of every workload's
// clients (harness/load) and a clock of its own, writes its history to its own disk, and
// listens on its node's loopback address, which only the harness reaches, by the node's
// agent, whatever network fault is in force. There are three kinds of connections: the
// clock's, on which the driver is asked again and again what it reads; the history's, on
// which all of the file is sent as it grows; and one for orders and reports.
//
// The harness (fleet.go) sends the load's begin ahead, on each driver's clock, tells
// the drivers who the primary is, and passes on what they record to whoever looks at the run
// while it lasts. At the end (join.go) it has all their files, takes their times to the
// run's clock (history/clocks) and writes one history, which says how far off they may be.
//
// A driver that does not answer is lost: its process is ended, another one on its node
// sends what the disk has (spool.go), and what it may have done besides is made again
// from the seed (foretell.go, replay.go). Of the rest it is told that nobody knows (tell.go).
package drivers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"

	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
)

// Command is the hidden command of the aftershock binary that is a driver.
const Command = "drive"

// port is the driver's, on the loopback address of its own node.
const port = 7398

// What a connection is for: the first byte that the harness sends on it.
const (
	forOrders  = 'o'
	forClock   = 'c'
	forHistory = 'h'
	forSpool   = 's' // of a driver before: where to begin follows, in 8 bytes
)

// mostLine bounds one message, in bytes: a plan with its schedule of load.
const mostLine = 64 << 20

// order is a message to a driver; one field is set.
type order struct {
	Job    *job    `json:"job,omitempty"`
	Fill   bool    `json:"fill,omitempty"`
	Start  *window `json:"start,omitempty"`
	Belief *belief `json:"belief,omitempty"`
	Stop   bool    `json:"stop,omitempty"`
}

// job is what a driver has to know before anything.
type job struct {
	Plan  []byte         `json:"plan"` // with the seed
	Name  string         `json:"name"` // of the driver
	Index int            `json:"index"`
	Count int            `json:"count"`
	Nodes []node         `json:"nodes"`
	Run   string         `json:"run"`
	Wrong *history.Wrong `json:"wrong,omitempty"` // of tests

	// Of a deployment that somebody else runs: what the run's own objects are called, and
	// how clients come in.
	Objects string        `json:"objects,omitempty"`
	Keys    attached.Keys `json:"keys"`
}

// node is one that clients connect to.
type node struct {
	Name string `json:"name"`
	Addr string `json:"addr"`
	Port int    `json:"port,omitempty"`
}

// window is when the load is, on the driver's clock.
type window struct {
	Start   int64           `json:"start"`
	Measure int64           `json:"measure"`
	Stop    int64           `json:"stop"`
	Grace   int64           `json:"grace"`
	Spans   []plan.LoadSpan `json:"spans,omitempty"`
}

// belief is what clients know of the nodes.
type belief struct {
	Primary  int    `json:"primary"`
	Replicas []bool `json:"replicas"`
	Changes  uint64 `json:"changes"`
	// Addrs are the nodes', which change where somebody else runs them.
	Addrs []string `json:"addrs"`
}

// report is a message of a driver; one field is set.
type report struct {
	Ready  bool           `json:"ready,omitempty"`
	Filled *filled        `json:"filled,omitempty"`
	Event  *history.Event `json:"event,omitempty"` // times on the driver's clock
	Over   *over          `json:"over,omitempty"`  // the load is
	Ended  bool           `json:"ended,omitempty"` // nothing is recorded any more
	Error  string         `json:"error,omitempty"`
}

// over tells how long the history is in which all of the load is.
type over struct {
	Size int64 `json:"size"`
}

// filled is what was loaded before the load.
type filled struct {
	Records int    `json:"records"`
	Error   string `json:"error,omitempty"`
}

// receive hands messages on, one a line, until the connection's end or until take is false.
func receive[T any](conn net.Conn, take func(*T) bool) error {
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 64<<10), mostLine)
	for lines.Scan() {
		m := new(T)
		if err := json.Unmarshal(lines.Bytes(), m); err != nil {
			return fmt.Errorf("read a message: %w", err)
		}
		if !take(m) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.EOF
}
