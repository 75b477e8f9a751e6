package usage

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/history/usage"
)

// mostThreads bounds the threads whose switches are asked for at a time: of a
// server with more they are unknown.
const mostThreads = 1024

// clockTick is the kernel's unit of time in /proc, which is the same everywhere.
const clockTick = int64(10_000_000)

// processes are what the node's processes take together.
type processes struct {
	cpu               int64
	anonymous, shared int64 // bytes; of what several share the greatest part of one counts
	threads           int64
	switches          int64
	io                io
	pids              []int
}

// readProcesses adds up all processes of /proc but self and its helper, if that is
// not 0. What the kernel has
// added to self for children that were waited for is counted as well, but for
// their time and switches, which getrusage tells better.
func readProcesses(self, helper int, left map[int]bool) (p processes) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		p.io.unknown, p.switches = true, usage.Unknown
		return p
	}
	p.io = readEnded(self)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == self || pid == helper || left[pid] {
			continue
		}
		p.add(pid)
		p.pids = append(p.pids, pid)
	}
	return p
}

// memoryOf is the memory of a process's own, in bytes.
func memoryOf(pid int) int64 {
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status") // 0 if it has ended
	return (field(status, "RssAnon:") + field(status, "RssShmem:")) * 1024
}

func (p *processes) add(pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return // it has ended: the next reading finds what it took in its parent's
	}
	ended, threads, ok := parseStat(text)
	if !ok {
		return
	}
	p.cpu += processTime(pid) + ended
	p.threads += threads
	status, err := os.ReadFile(dir + "/status")
	if err == nil {
		p.anonymous += field(status, "RssAnon:") * 1024
		p.shared = max(p.shared, field(status, "RssShmem:")*1024)
	}
	p.addSwitches(dir, status, threads)
	p.io.add(readIO(dir))
}

// processTime is the time that a process computed, its ended threads included: the
// clock that clock_getcpuclockid(3) names. It is 0 for one that has ended.
func processTime(pid int) int64 {
	const scheduled = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|scheduled), &t) != nil {
		return 0
	}
	return t.Nano()
}

// addSwitches adds those of each thread, which the kernel tells one by one.
func (p *processes) addSwitches(dir string, status []byte, threads int64) {
	switch {
	case p.switches == usage.Unknown:
		return
	case threads <= 1:
		p.switches += switches(status)
		return
	case p.threads > mostThreads:
		p.switches = usage.Unknown
		return
	}
	entries, err := os.ReadDir(dir + "/task")
	if err != nil {
		return
	}
	for _, e := range entries {
		if text, err := os.ReadFile(filepath.Join(dir, "task", e.Name(), "status")); err == nil {
			p.switches += switches(text)
		}
	}
}

func switches(status []byte) int64 {
	return field(status, "\nvoluntary_ctxt_switches:") + field(status, "nonvoluntary_ctxt_switches:")
}

// parseStat reads of proc_pid_stat(5) the time of children that were waited for,
// in nanoseconds, and the number of threads. The command's name may hold any
// character, so the fields count from the last ")".
func parseStat(text []byte) (ended, threads int64, ok bool) {
	const cutime, cstime, numThreads = 13, 14, 17
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= numThreads {
		return 0, 0, false
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64)
		return n
	}
	return (number(cutime) + number(cstime)) * clockTick, number(numThreads), true
}

// field is the number behind a name; 0 if it is not there.
func field(text []byte, name string) int64 {
	_, rest, found := bytes.Cut(text, []byte(name))
	if !found {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	words := bytes.Fields(line)
	if len(words) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(words[0]), 10, 64)
	return n
}
