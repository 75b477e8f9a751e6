package judge

import (
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	allcheckers "github.com/aftershock-chaos/aftershock/checkers/all"
	"github.com/aftershock-chaos/aftershock/history"
)

// ParseMemory reads an amount of memory: a number of bytes, or of kB, MB, GB,
// KiB, MiB, GiB and so on. It takes what humanize.ParseBytes does ("2g", "1,024
// MiB"), but for nothing and for more than any machine has.
func ParseMemory(text string) (uint64, error) {
	n, err := humanize.ParseBytes(strings.TrimSpace(text))
	if err != nil || n == 0 || n > unbounded/2 {
		return 0, fmt.Errorf("memory %q: expected an amount such as 512MiB or 2GiB", text)
	}
	return n, nil
}

// OpenHistory reads a history that is judged in so many bytes of memory; 0
// stands for three quarters of what is available. One that does not fit stays
// on disk. The memory is returned.
func OpenHistory(path string, memory uint64) (*history.Log, uint64, error) {
	if memory == 0 {
		memory = AvailableMemory() / 4 * 3
	}
	log, err := history.Open(path, func(meta history.Meta, size history.Size) bool {
		need := allcheckers.Footprint(size)
		if len(meta.Drivers) > 0 {
			need += need / 2 // for those that judge by order, operations are copied
		}
		return need <= memory
	})
	return log, memory, err
}

// leastMemory is what the process takes in any case; a lower limit would keep
// the garbage collector busy for nothing.
const leastMemory = 64 << 20

// limitMemory tells the garbage collector what there is until the function that
// it returns is called.
func limitMemory(bytes uint64) (undo func()) {
	old := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(old, int64(min(max(bytes, leastMemory), unbounded))))
	return func() { debug.SetMemoryLimit(old) }
}

// unbounded is the memory where nothing bounds it.
const unbounded = math.MaxInt64

// AvailableMemory is what this process can still use, in bytes: by the kernel's
// estimate, and by the limits of its control groups. It is without bound where
// nothing tells.
func AvailableMemory() uint64 {
	least := uint64(unbounded)
	if kib, ok := readField("/proc/meminfo", "MemAvailable:"); ok {
		least = min(least, kib<<10)
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 {
			least = min(least, groupMemory("/sys/fs/cgroup", parts[1], parts[2]))
		}
	}
	return least
}

// groupMemory is what a control group and those above it leave. What the group
// uses for files does not count, as the kernel takes that back. In a container
// the group's path may be the host's: then the root is the container's.
func groupMemory(root, controllers, group string) uint64 {
	limit, used, cache := "memory.max", "memory.current", "file"
	if controllers != "" {
		root, limit, used, cache = filepath.Join(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"
	}
	least := uint64(unbounded)
	if controllers != "" && !strings.Contains(","+controllers+",", ",memory,") {
		return least
	}
	for ; ; group = path.Dir(group) {
		dir := filepath.Join(root, group)
		if most, ok := readNumber(filepath.Join(dir, limit)); ok {
			current, _ := readNumber(filepath.Join(dir, used))
			files, _ := readField(filepath.Join(dir, "memory.stat"), cache)
			current -= min(current, files)
			least = min(least, most-min(most, current))
		}
		if group == "/" || group == "." {
			return least
		}
	}
}

// readNumber is a file's only number; ok is false for one that says "max".
func readNumber(name string) (n uint64, ok bool) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// readField is the number after a name that begins a line: "MemAvailable: 5 kB".
func readField(file, name string) (n uint64, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == name {
			n, err = strconv.ParseUint(words[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
