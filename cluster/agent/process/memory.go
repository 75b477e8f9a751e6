package process

import (
	"fmt"
	"os"
	"strings"
)

// outOfMemory is how many processes the kernel has killed for want of memory: of
// this node's control group where it has one, else of the machine; 0 where the
// kernel does not tell.
func outOfMemory() int {
	for _, file := range []string{"/sys/fs/cgroup/memory.events", "/proc/vmstat"} {
		if text, err := os.ReadFile(file); err == nil {
			return oomKills(string(text))
		}
	}
	return 0
}

// oomKills reads the line oom_kill of memory.events or vmstat.
func oomKills(text string) int {
	for line := range strings.Lines(text) {
		var n int
		if found, _ := fmt.Sscanf(line, "oom_kill %d", &n); found == 1 {
			return n
		}
	}
	return 0
}
