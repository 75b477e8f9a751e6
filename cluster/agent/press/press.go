package press

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// What is counted, by its words.
const (
	Stops   = "stops"
	Limited = "processes limited"
	Killed  = "processes killed for memory"
)

// Processes are the node's processes but the agent's own.
type Processes interface {
	// Each lists their IDs.
	Each() ([]int, error)
	// Off stops all of them until On, unless something else holds them; it tells whether
	// there was any.
	Off() (bool, error)
	On() error
	// Expect marks the end of the server as an action's and returns its ID, 0 if none runs,
	// and what is closed when it has ended.
	Expect(by string) (pid int, ended <-chan struct{})
	// Aside starts a command beside the server, which stop ends; it may be called again.
	Aside(cluster.ServerSpec) (pid int, stop func(), err error)
	// MemoryKills is how many processes of the node the kernel has killed for want of memory.
	MemoryKills() int
}

// Options set up a Press.
type Options struct {
	Memory int64 // the node's limit in bytes; 0: it has none
	Logger *slog.Logger
}

// Press is what is taken from a node's processes.
type Press struct {
	processes Processes
	o         Options

	actions sync.Mutex // serialises what begins and ends

	mu      sync.Mutex
	faults  map[string]*fault // by ID
	cycle   *cycle            // nil: no fault takes time
	limits  *limits           // nil: no fault takes descriptors
	stopped uint64            // how often the processes were stopped
}

// fault is one in force.
type fault struct {
	squeeze cluster.Squeeze
	stopped uint64       // Press.stopped when it began
	limited map[int]bool // processes that were limited meanwhile
}

// New does no I/O.
func New(processes Processes, o Options) *Press {
	return &Press{processes: processes, o: o, faults: map[string]*fault{}}
}

// Press takes what a.Squeeze says, under a.ID. It took effect when the processes first stood
// still, had their limits, or the kernel had killed the server.
func (p *Press) Press(a cluster.Action) (cluster.Effect, error) {
	switch {
	case a.Squeeze == nil || *a.Squeeze == (cluster.Squeeze{}):
		return cluster.Effect{}, errors.New("a press has to say what it takes")
	case a.Squeeze.Memory:
		return p.exhaust(a.ID)
	case a.Squeeze.CPU < 0 || a.Squeeze.CPU >= 1:
		return cluster.Effect{}, fmt.Errorf("the share of the time %g is not between 0 and 1", a.Squeeze.CPU)
	}
	p.actions.Lock()
	defer p.actions.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.faults[a.ID] != nil {
		return cluster.Effect{At: time.Now()}, nil
	}
	p.faults[a.ID] = &fault{squeeze: *a.Squeeze, stopped: p.stopped, limited: map[int]bool{}}
	if err := p.follow(); err != nil {
		delete(p.faults, a.ID)
		return cluster.Effect{}, errors.Join(err, p.follow())
	}
	return cluster.Effect{At: time.Now(), Changed: true}, nil
}

// Unpress gives back what a.ID took, but for what others take. Its counts are those of the
// whole press.
func (p *Press) Unpress(a cluster.Action) (cluster.Effect, error) {
	p.actions.Lock()
	defer p.actions.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.faults[a.ID]
	if f == nil {
		return cluster.Effect{At: time.Now()}, nil
	}
	delete(p.faults, a.ID)
	if err := p.follow(); err != nil {
		p.faults[a.ID] = f // to be tried again
		return cluster.Effect{}, err
	}
	effect := cluster.Effect{At: time.Now(), Changed: true, Counts: map[string]uint64{}}
	if f.squeeze.CPU > 0 {
		effect.Counts[Stops] = p.stopped - f.stopped
	}
	if f.squeeze.Files > 0 {
		effect.Counts[Limited] = uint64(len(f.limited))
	}
	return effect, nil
}

// Close gives everything back.
func (p *Press) Close() error {
	p.actions.Lock()
	defer p.actions.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.faults)
	return p.follow()
}

// follow takes and gives back what the faults in force come to. The caller holds mu.
func (p *Press) follow() error {
	share, files := 0.0, 0
	for _, f := range p.faults {
		if s := f.squeeze.CPU; s > 0 && (share == 0 || s < share) {
			share = s
		}
		if n := f.squeeze.Files; n > 0 && (files == 0 || n < files) {
			files = n
		}
	}
	return errors.Join(p.followTime(share), p.followFiles(files))
}
