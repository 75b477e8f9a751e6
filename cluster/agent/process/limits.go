package process

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// LimitProcesses bounds the number of processes of this process's user, for
// hosts that can bound those of a node no better. It does not bind root.
func LimitProcesses(n int) error {
	var have unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &have); err != nil {
		return fmt.Errorf("limit the node's processes: %w", err)
	}
	most := min(uint64(n), have.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		return fmt.Errorf("limit the node's processes: %w", err)
	}
	return nil
}

// MemoryEvents counts the processes of the node that the kernel killed for want
// of memory.
type MemoryEvents struct{ file *os.File }

// memoryEvents are where a container's own control group tells of it, in the
// versions 2 and 1.
var memoryEvents = []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"}

// OpenMemoryEvents opens the node's counter, which is at path or, if that is
// empty, where containers have it. Where there is none, nil counts those of the
// machine.
func OpenMemoryEvents(path string) *MemoryEvents {
	places := memoryEvents
	if path != "" {
		places = []string{path}
	}
	for _, place := range places {
		if f, err := os.Open(place); err == nil {
			return &MemoryEvents{file: f}
		}
	}
	return nil
}

// count is how many there were until now.
func (m *MemoryEvents) count() int {
	if m == nil {
		return outOfMemory()
	}
	text, err := io.ReadAll(io.NewSectionReader(m.file, 0, 4096))
	if err != nil {
		return 0
	}
	return oomKills(string(text))
}

// preferred is the weight of a server in the kernel's choice of whom to kill for
// want of memory: before the agent, which has to tell of it.
const preferred = "500"

// prefer makes the kernel prefer a process over the agent. Where it may not, the
// server's size speaks for itself.
func prefer(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(preferred), 0)
}
