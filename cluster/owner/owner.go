// Package owner tells whether the harness that made something still lives.
//
// A living harness holds a file locked (flock) and is a process; what it makes
// bears a Mark that names both. The lock decides where it can be seen: it is that
// of the very file that the harness opened, known by its inode and contents, not
// of whatever stands at its path now. If the file was moved or deleted the
// process decides, known by its start and not by its number alone. What neither
// can decide is unknown, and an unknown owner is never taken for dead.
package owner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Life is what can be told of a harness.
type Life uint8

const (
	Unknown Life = iota // neither the lock nor the process can be seen from here
	Alive               // the lock is held, or it cannot be seen and the process lives
	Dead                // the lock is free: a proof
	Gone                // the lock cannot be seen, and the process has ended
	Foreign             // at the lock's path is something else: the mark is not to be trusted
)

// Mark names a harness. Its fields are those of the harness's own machine.
type Mark struct {
	Lock   string `json:"lock"` // path of the lock file, without symbolic links
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Boot   string `json:"boot"`  // which boot of the machine
	Space  string `json:"space"` // the namespaces that PID and Start are of
	PID    int    `json:"pid"`
	Start  string `json:"start"` // of the process, in ticks after the boot
}

// Lock makes a file that must not exist yet and holds it locked for as long as
// this process has it open. Its contents name the launch.
func Lock(path, launch string) (*os.File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	if _, err := file.WriteString(launch); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Unlock removes a file of Lock, if it is still where it was, and gives its lock up.
func Unlock(file *os.File) error {
	var err error
	own, ownErr := file.Stat()
	if there, thereErr := os.Lstat(file.Name()); ownErr == nil && thereErr == nil && os.SameFile(own, there) {
		err = os.Remove(file.Name())
	}
	return errors.Join(err, file.Close())
}

// New is this process's mark, with a file of Lock that it holds.
func New(lock string) (Mark, error) {
	path, err := filepath.Abs(lock)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return Mark{}, fmt.Errorf("name the lock file: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return Mark{}, fmt.Errorf("see the lock file %s: %w", path, err)
	}
	m := Mark{Lock: path, Device: uint64(st.Dev), Inode: st.Ino, Boot: BootID(), Space: space(), PID: os.Getpid()}
	if m.Start, err = started(m.PID); err != nil {
		return Mark{}, fmt.Errorf("see the own process: %w", err)
	}
	return m, nil
}

// String is the mark as Parse reads it: one line.
func (m Mark) String() string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers can always be encoded
	}
	return string(text)
}

// Parse reads what String wrote.
func Parse(text string) (Mark, error) {
	var m Mark
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Mark{}, fmt.Errorf("read an owner's mark: %w", err)
	}
	if m.Boot == "" || m.PID <= 0 || m.Start == "" || !filepath.IsAbs(m.Lock) || filepath.Clean(m.Lock) != m.Lock {
		return Mark{}, errors.New("an owner's mark is not complete")
	}
	return m, nil
}

// Life tells whether the harness lives. Launch is what its lock file has to name.
func (m Mark) Life(launch string) Life {
	here := m.Boot == BootID()
	lock := m.lockFile(launch)
	switch {
	case lock == lockHeld:
		return Alive
	case lock == lockFree && here:
		return Dead
	case !here || m.Space != space():
		return Unknown
	}
	switch alive(m.PID, m.Start) {
	case processAlive:
		return Alive
	case processGone:
		if lock == lockOther {
			return Foreign
		}
		return Gone
	}
	return Unknown
}

type lockState uint8

const (
	lockUnseen lockState = iota // not there, or not for this user to look at
	lockHeld
	lockFree
	lockOther // another file, or no file
)

// lockFile looks at the lock. It creates and changes nothing.
func (m Mark) lockFile(launch string) lockState {
	file, err := OpenAt(unix.AT_FDCWD, m.Lock)
	switch {
	case errors.Is(err, ErrNotOwn):
		return lockUnseen
	case errors.Is(err, ErrNotRegular):
		return lockOther
	case err != nil:
		return lockUnseen
	}
	defer file.Close()
	var st unix.Stat_t
	if unix.Fstat(int(file.Fd()), &st) != nil {
		return lockUnseen
	}
	if path, err := os.Readlink(fdPath(file)); err != nil || path != m.Lock { // a link on the way
		return lockOther
	}
	if uint64(st.Dev) != m.Device || st.Ino != m.Inode || !Names(file, launch) {
		return lockOther
	}
	if Free(file) {
		return lockFree
	}
	return lockHeld
}

// Names tells whether a lock file is that of the launch.
func Names(file *os.File, launch string) bool {
	buf := make([]byte, len(launch)+1)
	n, _ := file.ReadAt(buf, 0)
	return launch != "" && string(buf[:n]) == launch
}

// Free tells whether nobody holds a file of Lock. It asks for a shared lock
// without waiting and gives it back at once.
func Free(file *os.File) bool {
	if unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
		return false
	}
	_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
	return true
}

// BootID tells this machine's boots apart; empty where the kernel has none.
var BootID = sync.OnceValue(func() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
})

// space names the namespaces that the numbers and starts of processes are of.
func space() string {
	pid, _ := os.Readlink("/proc/self/ns/pid")
	clock, _ := os.Readlink("/proc/self/ns/time") // kernels before 5.6 have none
	return pid + clock
}

type processState uint8

const (
	processUnseen processState = iota
	processAlive
	processGone
)

// alive looks for a process of this boot and these namespaces.
func alive(pid int, start string) processState {
	now, err := started(pid)
	switch {
	case err == nil && now == start:
		return processAlive
	case err == nil:
		return processGone // the number belongs to another process now
	case errors.Is(unix.Kill(pid, 0), unix.ESRCH): // also where /proc hides other users' processes
		return processGone
	}
	return processUnseen
}

// started is a process's start in ticks after the boot: field 22 of its stat
// (proc_pid_stat(5)). One that has ended and was not waited for has none.
func started(pid int) (string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ") // the name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return "", errors.New("a process's stat is too short")
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return "ended", nil
	}
	return fields[19], nil
}
