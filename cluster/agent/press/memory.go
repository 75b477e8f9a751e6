package press

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Bounds of using memory up.
const (
	chunk       = 16 << 10        // that is taken at once: the less, the sooner the kill is seen
	fillTimeout = 8 * time.Second // until the kernel kills the server
	endTimeout  = 2 * time.Second // for the killed server to be gone
	lookEvery   = time.Millisecond
	slowWrite   = 100 * time.Microsecond // for a chunk: some 5 are usual
)

// EnvBallast says in the environment of a program that it shall be Ballast: of how many
// bytes, and until which process has ended.
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
		Command: []string{cluster.Self, "agent"}, Env: map[string]string{EnvBallast: fmt.Sprintf("%d until %d", p.o.Memory, pid)},
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
// node's, and gives them back as soon as the kernel has killed the server.
//
// It has to be at once: what the killed server leaves is used up in no time, and then the
// kernel kills the ballast, whose memfd, unlike the memory of a process, it cannot take
// back before that has ended; who needs a page until then, such as the agent, is killed too.
func Ballast() error {
	most, victim, err := asked()
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("aftershock-ballast", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("take memory: %w", err)
	}
	server, err := unix.PidfdOpen(victim, 0)
	if err != nil {
		return nil //nolint:nilerr // it has ended: there is nothing to take memory from
	}
	kills, err := openKills()
	if err != nil {
		return err
	}
	filling := make([]byte, chunk)
	for i := range filling {
		filling[i] = byte(i)
	}
	deadline := time.Now().Add(fillTimeout)
	for taken := int64(0); ; {
		began := time.Now()
		if began.After(deadline) {
			return nil
		}
		if taken <= most {
			n, _ := unix.Write(fd, filling) // an error is that there is no more
			taken += int64(max(n, 0))
		} else {
			time.Sleep(lookEvery)
		}
		// The kernel kills within the call, which takes its time.
		if time.Since(began) >= slowWrite && kills.more() && ended(server, endTimeout) || ended(server, 0) {
			return unix.Ftruncate(fd, 0)
		}
	}
}

// asked reads from the environment how much to take, and until who has ended.
func asked() (most int64, victim int, err error) {
	_, err = fmt.Sscanf(os.Getenv(EnvBallast), "%d until %d", &most, &victim)
	if err != nil {
		return 0, 0, fmt.Errorf("environment variable %s: %w", EnvBallast, err)
	}
	return most, victim, nil
}

// ended tells whether a process ends within a time.
func ended(pidfd int, within time.Duration) bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(within.Milliseconds()))
	return n > 0
}

// kills is the machine's count of processes killed for want of memory, which is read
// without taking any.
type kills struct {
	fd   int
	text []byte
	last []byte
}

// vmstatSize is more than /proc/vmstat has, in bytes: it is some 4 kB.
const vmstatSize = 32 << 10

func openKills() (*kills, error) {
	fd, err := unix.Open("/proc/vmstat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("count who is killed for want of memory: %w", err)
	}
	k := &kills{fd: fd, text: make([]byte, vmstatSize), last: make([]byte, 0, 64)}
	k.more()
	return k, nil
}

// more tells whether some process was killed since it was last asked.
func (k *kills) more() bool {
	n, err := unix.Pread(k.fd, k.text, 0)
	if err != nil || n <= 0 {
		return false
	}
	_, line, ok := bytes.Cut(k.text[:n], []byte("\noom_kill "))
	if !ok {
		return false
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if bytes.Equal(line, k.last) {
		return false
	}
	k.last = append(k.last[:0], line...)
	return true
}
