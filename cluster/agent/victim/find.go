package victim

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a process of the namespace at one time.
type process struct {
	pid     int
	started uint64 // in the kernel's ticks since the boot
}

// kill sends SIGKILL, unless the number belongs to another process by now.
func (v process) kill() error {
	if now, ok := look(v.pid); !ok || now.started != v.started {
		return syscall.ESRCH
	}
	return syscall.Kill(v.pid, syscall.SIGKILL)
}

// find lists the living processes of a program, by the name that the kernel shows
// or that of its first argument; all but this one if name is empty.
func find(name string) ([]process, error) {
	pids, err := numbers("/proc")
	if err != nil {
		return nil, fmt.Errorf("see the processes: %w", err)
	}
	var list []process
	for _, pid := range pids {
		if pid == os.Getpid() {
			continue
		}
		v, ok := look(pid)
		if ok && (name == "" || runs(pid, name)) {
			list = append(list, v)
		}
	}
	return list, nil
}

// maxComm is the longest name of a process that the kernel keeps.
const maxComm = 15

// runs tells whether a process is of a program.
func runs(pid int, name string) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	comm, err := os.ReadFile(dir + "/comm")
	if err != nil {
		return false
	}
	if string(bytes.TrimSuffix(comm, []byte("\n"))) == name {
		return true
	}
	line, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return false
	}
	first, _, _ := bytes.Cut(line, []byte{0})
	if path.Base(string(first)) == name {
		return true
	}
	return len(name) > maxComm && len(first) == 0 && string(bytes.TrimSpace(comm)) == name[:maxComm]
}

// look reads when a process started; it is not ok if it has ended.
func look(pid int) (process, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	state, started, ok := parseStat(text)
	return process{pid, started}, ok && state != 'Z' && state != 'X'
}

// parseStat reads the state and the start of proc_pid_stat(5). The name stands in
// parentheses and may hold any character, so that fields count from the last ")".
func parseStat(text []byte) (state byte, started uint64, ok bool) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return 0, 0, false
	}
	started, err := strconv.ParseUint(string(fields[19]), 10, 64)
	return fields[0][0], started, err == nil
}

// threadState is the state of a thread; 'X' if it is gone.
func threadState(pid, tid int) byte {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(tid) + "/stat")
	if err != nil {
		return 'X'
	}
	if state, _, ok := parseStat(text); ok {
		return state
	}
	return 'X'
}

// userHZ is how many ticks of /proc there are in a second, on every architecture
// that Go runs on.
const userHZ = 100

// ticks is the present on the clock of process.started.
func ticks() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // it cannot fail
	return uint64(ts.Nano()) / (1e9 / userHZ)
}

// notAfter leaves out what started later.
func notAfter(list []process, newest uint64) []process {
	return slices.DeleteFunc(list, func(v process) bool { return v.started > newest })
}

// numbers lists the names in a directory that are numbers; none if it is gone.
func numbers(dir string) ([]int, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, notGone(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, notGone(err)
	}
	var list []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			list = append(list, n)
		}
	}
	return list, nil
}

// notGone is err unless it says that a process has ended.
func notGone(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
