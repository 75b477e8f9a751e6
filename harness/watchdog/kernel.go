package watchdog

import (
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// suspendedFor is how long the machine was suspended since it started: what the
// clock of its boot counts and the monotonic one does not.
func suspendedFor() time.Duration {
	var boot, monotonic unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - monotonic.Nano())
}

// kernel reads what the kernel tells of this process's share of the machine. What
// it cannot read counts as nothing.
type kernel struct {
	groups       []string // files that tell how long a control group was throttled
	steal, total uint64   // of the last look, in the kernel's ticks
}

func newKernel() *kernel {
	k := &kernel{}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[1] == "":
			k.add("/sys/fs/cgroup", parts[2])
		case strings.Contains(","+parts[1]+",", ",cpu,"):
			k.add(path.Join("/sys/fs/cgroup", parts[1]), parts[2])
		}
	}
	k.stolen()
	return k
}

// add takes a group and those above it, as far as they count. In a container the
// group's path may be the host's: then the root is the container's.
func (k *kernel) add(root, group string) {
	for ; ; group = path.Dir(group) {
		file := path.Join(root, group, "cpu.stat")
		if _, err := os.Stat(file); err == nil {
			k.groups = append(k.groups, file)
		}
		if group == "/" || group == "." {
			return
		}
	}
}

// throttled is how long the control groups of this process were, of the one that
// was longest.
func (k *kernel) throttled() time.Duration {
	longest := time.Duration(0)
	for _, file := range k.groups {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, err := strconv.ParseInt(value, 10, 64)
			switch {
			case err != nil:
			case name == "throttled_usec":
				longest = max(longest, time.Duration(n)*time.Microsecond)
			case name == "throttled_time": // version 1
				longest = max(longest, time.Duration(n))
			}
		}
	}
	return longest
}

// stolen is the share of the processors' time that the hypervisor gave to other
// machines since the last look.
func (k *kernel) stolen() float64 {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	const steal, counted = 8, 9 // guests' time, which follows, is in the user's
	if len(fields) < counted || fields[0] != "cpu" {
		return 0
	}
	stolen, total := uint64(0), uint64(0)
	for i, field := range fields[1:counted] {
		n, _ := strconv.ParseUint(field, 10, 64)
		total += n
		if i+1 == steal {
			stolen = n
		}
	}
	was, all := k.steal, k.total
	k.steal, k.total = stolen, total
	if total <= all || stolen < was {
		return 0
	}
	return float64(stolen-was) / float64(total-all)
}

// blocked tells whether this process can open no file.
func blocked() bool {
	file, err := os.Open(os.DevNull)
	if err == nil {
		_ = file.Close()
	}
	return ownFault(err) != nil
}
