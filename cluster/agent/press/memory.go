package press

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Bounds of using memory up.
const (
	chunk       = 1 << 20         // that is taken at once
	fillTimeout = 8 * time.Second // until the kernel kills the server
	endTimeout  = 2 * time.Second // for the killed server to be gone
	lookEvery   = time.Millisecond
)

// EnvBallast says in the environment of a program that it shall be Ballast of so many bytes.
const EnvBallast = "AFTERSHOCK_BALLAST"

// The order in which the kernel kills for want of memory: the server, then what takes it,
// which is there for nothing else and less likely by more than its size, and last the agent.
const (
	serverScore  = "1000"
	ballastScore = "800"
)

// exhaust fills the node's memory until the kernel has killed the server, and gives it back.
func (p *Press) exhaust(by string) (cluster.Effect, error) {
	if p.o.Memory <= 0 {
		return cluster.Effect{}, errors.New("the node's memory has no limit, and the machine's shall not be used up: give the plan target.memory, e.g. 512MB")
	}
	before := p.processes.MemoryKills()
	pid, ended := p.processes.Expect(by)
	if pid == 0 {
		return cluster.Effect{At: time.Now()}, nil
	}
	if err := score(pid, serverScore); err != nil {
		return cluster.Effect{}, err
	}
	ballast, stop, err := p.processes.Aside(cluster.ServerSpec{
		Command: []string{cluster.Self, "agent"}, Env: map[string]string{EnvBallast: strconv.FormatInt(p.o.Memory, 10)},
	})
	if err != nil {
		return cluster.Effect{}, fmt.Errorf("take the node's memory: %w", err)
	}
	defer stop()
	if err := score(ballast, ballastScore); err != nil {
		return cluster.Effect{}, err
	}
	if err := p.awaitKill(before, ended); err != nil {
		return cluster.Effect{}, err
	}
	killed := time.Now()
	stop()
	select {
	case <-ended:
	case <-time.After(endTimeout):
		return cluster.Effect{}, errors.New("the kernel killed a process for want of memory, and the server lives: have the limit (target.memory) leave it more room")
	}
	n := max(1, p.processes.MemoryKills()-before)
	return cluster.Effect{At: killed, Changed: true, Counts: map[string]uint64{Killed: uint64(n)}}, nil
}

// score gives a process its place in the order.
func score(pid int, text string) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(text), 0); err != nil {
		return fmt.Errorf("say whom to kill first for want of memory: %w", err)
	}
	return nil
}

// awaitKill waits until the kernel has killed a process for want of memory.
func (p *Press) awaitKill(before int, ended <-chan struct{}) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	timeout := time.After(fillTimeout)
	for p.processes.MemoryKills() <= before {
		select {
		case <-ended:
			return nil
		case <-ticker.C:
		case <-timeout:
			return fmt.Errorf("the kernel killed no process in %s: use a smaller target.memory; or is there swap?", fillTimeout)
		}
	}
	return nil
}

// Ballast takes as many bytes as the environment says, of a memfd, which count as the
// node's, and holds them until it is killed, or for as long as they may be of use.
func Ballast() error {
	most, err := strconv.ParseInt(os.Getenv(EnvBallast), 10, 64)
	if err != nil {
		return fmt.Errorf("environment variable %s: %w", EnvBallast, err)
	}
	fd, err := unix.MemfdCreate("aftershock-ballast", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("take memory: %w", err)
	}
	bytes := make([]byte, chunk)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	for taken := int64(0); taken <= most; taken += chunk {
		_, _ = unix.Write(fd, bytes) // an error is that there is no more
	}
	time.Sleep(fillTimeout)
	return nil
}
