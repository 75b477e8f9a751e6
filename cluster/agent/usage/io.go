package usage

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// io is what proc_pid_io(5) tells.
type io struct {
	read, written         int64 // bytes, from storage and to it
	passed                int64 // bytes that calls of write were given
	readCalls, writeCalls int64
	unknown               bool // of some process it is
}

// mostEdges are the bytes of a page before and one behind what a call writes.
const mostEdges = 2 * 4096

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
	return io{read: field(text, "\nread_bytes:"), written: max(field(text, "\nwrite_bytes:")-field(text, "cancelled_write_bytes:"), 0), passed: field(text, "wchar:"),
		readCalls: field(text, "syscr:"), writeCalls: field(text, "syscw:")}
}

func (i *io) add(o io) {
	i.read, i.written, i.passed = i.read+o.read, i.written+o.written, i.passed+o.passed
	i.readCalls, i.writeCalls = i.readCalls+o.readCalls, i.writeCalls+o.writeCalls
	i.unknown = i.unknown || o.unknown
}

// minus is what is left of non-negative counts.
func (i io) minus(o io) io {
	return io{read: max(i.read-o.read, 0), written: max(i.written-o.written, 0), passed: max(i.passed-o.passed, 0),
		readCalls: max(i.readCalls-o.readCalls, 0), writeCalls: max(i.writeCalls-o.writeCalls, 0)}
}

// stored adds up what was sent to storage.
//
// The kernel counts when a page of its cache becomes dirty, and a page may be large: on a
// file system with large folios (XFS from Linux 5.18, ext4 from 6.16) the eight kilobytes
// of a commit count as a quarter of a megabyte, of which the eight are sent to storage. What
// was passed to calls, with a page at either end of each, is no less than what these have
// made dirty, so that of each interval the lesser of the two counts.
type stored struct {
	last  io // of the reading before
	bytes int64
	aside aside
}

// take takes what the processes have read and written up to now.
func (s *stored) take(now io, pids []int) int64 {
	since := now.minus(s.last)
	s.last.add(since)
	if calls := since.passed + mostEdges*since.writeCalls; since.written > calls && !s.aside.any(pids) {
		since.written = calls
	}
	s.bytes += since.written
	return s.bytes
}

// readEnded is what the children that self has waited for read and wrote: what
// the kernel tells of self without what its threads did.
func readEnded(self int) io {
	dir := "/proc/" + strconv.Itoa(self)
	text, err := os.ReadFile(dir + "/io")
	if err != nil {
		return io{unknown: true}
	}
	var own io
	entries, err := os.ReadDir(dir + "/task")
	if err != nil {
		return io{unknown: true}
	}
	for _, e := range entries {
		if text, err := os.ReadFile(filepath.Join(dir, "task", e.Name(), "io")); err == nil {
			own.add(parseIO(text))
		}
	}
	return parseIO(text).minus(own)
}

// aside knows which processes write otherwise than by calls that the kernel counts bytes of:
// by shared mappings, or by rings of requests (libaio, io_uring).
type aside struct {
	looks  int
	looked map[int]int // at which of the looks a process was looked at
	found  bool        // one does, or could not be looked at; of the node for good
}

// lookAgain is after how many looks a process is looked at anew: it may have begun to.
const lookAgain = 40

// smallMapping is up to what size, in bytes, mappings of files do not count: locks and the
// like.
const smallMapping = 16 << 20

// any looks at the processes that it has not seen for a while.
func (a *aside) any(pids []int) bool {
	if a.looked == nil {
		a.looked = map[int]int{}
	}
	a.looks++
	for _, pid := range pids {
		if at := a.looked[pid]; a.found || at > 0 && a.looks-at < lookAgain {
			continue
		}
		a.looked[pid] = a.looks
		dir := "/proc/" + strconv.Itoa(pid)
		text, err := os.ReadFile(dir + "/maps")
		if err != nil && !gone(err) {
			text, err = readAs(dir, "maps")
		}
		a.found = err != nil && !gone(err) || err == nil && writesAside(text)
	}
	return a.found
}

// writesAside reads a proc_pid_maps(5).
func writesAside(maps []byte) bool {
	mapped := uint64(0)
	for line := range bytes.Lines(maps) {
		fields := bytes.Fields(line)
		if len(fields) < 6 || !bytes.HasPrefix(fields[1], []byte("rw-s")) {
			continue
		}
		path := string(bytes.Join(fields[5:], []byte(" ")))
		if strings.Contains(path, "[io_uring]") || strings.Contains(path, "[aio]") {
			return true
		}
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/SYSV") || strings.HasPrefix(path, "/memfd:") {
			continue // memory that has no storage
		}
		from, to, _ := strings.Cut(string(fields[0]), "-")
		begin, err := strconv.ParseUint(from, 16, 64)
		end, wrong := strconv.ParseUint(to, 16, 64)
		if err == nil && wrong == nil && end > begin {
			mapped += end - begin
		}
	}
	return mapped > smallMapping
}
