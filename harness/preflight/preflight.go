// Package preflight counts what the clients of a plan need of this process, before
// anything is launched.
package preflight

import (
	"fmt"
	"syscall"

	"github.com/dustin/go-humanize"
)

// Need is what a run asks of the harness's process.
type Need struct{ Clients, Nodes int }

// What a run takes, generously: too little would show as errors of the system.
const (
	baseDescriptors    = 64 // files of the run directory, pipes, the runtime's own
	perNodeDescriptors = 24 // streams, calls and tunnels of its agent, and the looks at its state
	baseMemory         = 96 << 20
	perClientMemory    = 192 << 10 // its part of the history
	perConnMemory      = 64 << 10  // buffers of the driver
)

// Descriptors is how many files and connections are open at most: every client may
// have a connection to every node.
func (n Need) Descriptors() uint64 {
	return uint64(baseDescriptors + n.Nodes*perNodeDescriptors + n.Clients*max(n.Nodes, 1))
}

// Memory is how many bytes the clients take.
func (n Need) Memory() uint64 {
	return uint64(baseMemory + n.Clients*perClientMemory + n.Clients*n.Nodes*perConnMemory)
}

// Check raises this process's limit of descriptors if it has to, and says what is
// missing and what to do about it. available is the memory that is left, in bytes.
func Check(n Need, available uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Cur < n.Descriptors() && limit.Max > limit.Cur {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("raise the limit of open files: %w", err)
		}
	}
	return check(n, limit.Cur, available)
}

func check(n Need, descriptors, available uint64) error {
	if need := n.Descriptors(); need > descriptors {
		return fmt.Errorf("%d clients on %d nodes need about %d open files, and this process may have %d: raise the limit (ulimit -Hn, LimitNOFILE=), or ask for fewer clients",
			n.Clients, n.Nodes, need, descriptors)
	}
	if need := n.Memory(); need > available {
		return fmt.Errorf("%d clients on %d nodes need about %s of memory, and %s are available: free some, raise the limit of the control group, or ask for fewer clients",
			n.Clients, n.Nodes, humanize.IBytes(need), humanize.IBytes(available))
	}
	return nil
}
