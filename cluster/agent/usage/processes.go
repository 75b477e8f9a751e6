package usage

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

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
}

// io is what proc_pid_io(5) tells.
type io struct {
	read, written, readCalls, writeCalls int64
	unknown                              bool // of some process it is
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

// readIO reads what a process read and wrote. Only those who may trace a process
// are told: root without that capability, as in containers, has to be its user.
func readIO(dir string) io {
	text, err := os.ReadFile(dir + "/io")
	if err != nil && !gone(err) {
		text, err = readAs(dir, "io")
	}
	if err != nil {
		return io{unknown: !gone(err)}
	}
	return parseIO(text)
}

// readAs reads a file of a process as its user. The caller holds the thread.
func readAs(dir, name string) ([]byte, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	of, ok := info.Sys().(*syscall.Stat_t)
	if !ok || of.Uid == 0 {
		return nil, os.ErrPermission
	}
	if err := unix.Setfsgid(int(of.Gid)); err != nil {
		return nil, err
	}
	defer func() { _ = unix.Setfsgid(os.Getegid()) }()
	if err := unix.Setfsuid(int(of.Uid)); err != nil {
		return nil, err
	}
	defer func() { _ = unix.Setfsuid(os.Geteuid()) }()
	return os.ReadFile(filepath.Join(dir, name))
}

// gone tells whether a process has ended.
func gone(err error) bool {
	return os.IsNotExist(err) || strings.Contains(err.Error(), syscall.ESRCH.Error())
}

func parseIO(text []byte) io {
	return io{read: field(text, "\nread_bytes:"), written: max(field(text, "\nwrite_bytes:")-field(text, "cancelled_write_bytes:"), 0),
		readCalls: field(text, "syscr:"), writeCalls: field(text, "syscw:")}
}

func (i *io) add(o io) {
	i.read, i.written = i.read+o.read, i.written+o.written
	i.readCalls, i.writeCalls = i.readCalls+o.readCalls, i.writeCalls+o.writeCalls
	i.unknown = i.unknown || o.unknown
}

// readEnded is what the children that self has waited for read and wrote: what
// the kernel tells of self without what its threads did.
func readEnded(self int) io {
	dir := "/proc/" + strconv.Itoa(self)
	text, err := os.ReadFile(dir + "/io")
	if err != nil {
		return io{unknown: true}
	}
	all := parseIO(text)
	entries, err := os.ReadDir(dir + "/task")
	if err != nil {
		return io{unknown: true}
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, "task", e.Name(), "io"))
		if err != nil {
			continue
		}
		own := parseIO(text)
		all.add(io{read: -own.read, written: -own.written, readCalls: -own.readCalls, writeCalls: -own.writeCalls})
	}
	return io{read: max(all.read, 0), written: max(all.written, 0), readCalls: max(all.readCalls, 0), writeCalls: max(all.writeCalls, 0)}
}
