package press

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Bounds of using memory up. The chunk is small, as what a killed server leaves has to be
// enough for the rest of one: for want of more the kernel would kill the agent next.
const (
	chunk       = 16 << 10        // that is taken at once
	fillTimeout = 8 * time.Second // until the kernel kills the server
	endTimeout  = 2 * time.Second // for the killed server to be gone
)

// mostScore makes a process the first to be killed for want of memory.
const mostScore = "1000"

// exhaust fills the node's memory until the kernel has killed the server, and gives it back.
// What is written into a memfd counts as the node's, and as no process's own: so the kernel
// does not take the agent for the one to blame.
func (p *Press) exhaust(by string) (cluster.Effect, error) {
	if p.o.Memory <= 0 {
		return cluster.Effect{}, errors.New("the node's memory has no limit, and the machine's shall not be used up: give the plan target.memory, e.g. 512MB")
	}
	fd, err := unix.MemfdCreate("aftershock-ballast", unix.MFD_CLOEXEC)
	if err != nil {
		return cluster.Effect{}, fmt.Errorf("take the node's memory: %w", err)
	}
	ballast := os.NewFile(uintptr(fd), "memory")
	defer ballast.Close()
	before := p.processes.MemoryKills()
	pid, ended := p.processes.Expect(by)
	if pid == 0 {
		return cluster.Effect{At: time.Now()}, nil
	}
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(mostScore), 0); err != nil {
		return cluster.Effect{}, fmt.Errorf("make the server the first to be killed for want of memory: %w", err)
	}
	if err := p.fill(ballast, before, ended); err != nil {
		return cluster.Effect{}, err
	}
	_ = ballast.Truncate(0)
	select {
	case <-ended:
	case <-time.After(endTimeout):
		return cluster.Effect{}, errors.New("the kernel killed a process for want of memory, and the server lives: have the limit (target.memory) leave it more room")
	}
	n := max(1, p.processes.MemoryKills()-before)
	return cluster.Effect{At: time.Now(), Changed: true, Counts: map[string]uint64{Killed: uint64(n)}}, nil
}

// fill takes memory until the kernel kills a process for it.
func (p *Press) fill(ballast *os.File, before int, ended <-chan struct{}) error {
	bytes := make([]byte, chunk)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	deadline := time.Now().Add(fillTimeout)
	for taken := int64(0); ; taken += chunk {
		select {
		case <-ended:
			return nil
		default:
		}
		switch {
		case p.processes.MemoryKills() > before:
			return nil
		case taken > p.o.Memory:
			return fmt.Errorf("the kernel killed no process though %d MiB were taken of a limit of %d: is there swap, or no control group for memory?", taken>>20, p.o.Memory>>20)
		case time.Now().After(deadline):
			return fmt.Errorf("the node's memory was not used up in %s: use a smaller target.memory", fillTimeout)
		}
		if _, err := ballast.Write(bytes); err != nil && !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("take the node's memory: %w", err)
		}
	}
}
