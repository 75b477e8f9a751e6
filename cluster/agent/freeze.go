package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// freezeTimeout bounds how long stopped processes may take to stand still.
const freezeTimeout = 2 * time.Second

// pause stops every other process of the node. It took effect when all of
// them are seen standing still.
func (n *node) pause() (actionReply, error) {
	some, err := n.procs.signalAll(syscall.SIGSTOP)
	if err != nil || !some {
		return actionReply{At: n.now()}, err
	}
	deadline := time.Now().Add(freezeTimeout)
	for {
		busy, err := n.busy()
		switch {
		case err != nil:
			return actionReply{}, fmt.Errorf("see whether the processes stand still: %w", err)
		case busy == "":
			return actionReply{At: n.now(), Changed: true}, nil
		case time.Now().After(deadline):
			return actionReply{}, fmt.Errorf("process %s still runs %s after SIGSTOP", busy, freezeTimeout)
		}
		nap(50 * time.Microsecond)
	}
}

// resume lets every other process of the node go on.
func (n *node) resume() (actionReply, error) {
	some, err := n.procs.signalAll(syscall.SIGCONT)
	return actionReply{At: n.now(), Changed: some}, err
}

// busy names a process that may still execute; "" is none.
func (n *node) busy() (string, error) {
	groups := n.procs.groups()
	names, err := list("/proc")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if name == "1" && n.procs.init {
			continue
		}
		state, group, err := readStat("/proc/" + name + "/stat")
		if err != nil {
			return "", err
		}
		if !n.procs.init && !groups[group] {
			continue
		}
		if !still(state) {
			return name, nil
		}
		if busy, err := threadsBusy("/proc/" + name + "/task"); busy || err != nil {
			return name, err
		}
	}
	return "", nil
}

// threadsBusy looks at every thread: a process's own state is that of its
// first thread, and the others may stop a little later.
func threadsBusy(dir string) (bool, error) {
	threads, err := list(dir)
	if err != nil || len(threads) < 2 {
		return false, err
	}
	for _, thread := range threads {
		state, _, err := readStat(dir + "/" + thread + "/stat")
		if err != nil || !still(state) {
			return err == nil, err
		}
	}
	return false, nil
}

// still tells whether a process that was sent SIGSTOP can no longer execute:
// stopped, ended, or asleep in the kernel (D), where it will see the signal
// before it returns to its program. The parent of a vfork whose child was
// stopped sleeps like that for as long as the pause lasts.
func still(state byte) bool { return bytes.IndexByte([]byte("TtZXD"), state) >= 0 }

// list returns the numbers among the names in dir; none if dir is gone.
func list(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil && !ended(err) {
		return nil, err
	}
	return slices.DeleteFunc(names, func(s string) bool { return s[0] < '0' || s[0] > '9' }), nil
}

// readStat reads a stat file; one whose process ended reads as a zombie's.
func readStat(file string) (state byte, group int, err error) {
	text, err := os.ReadFile(file)
	if ended(err) {
		return 'Z', 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	if state, group, err = parseStat(text); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", file, err)
	}
	return state, group, nil
}

func ended(err error) bool { return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// parseStat reads the state and the process group of /proc/PID/stat, see
// proc_pid_stat(5). The command's name stands in parentheses and may hold any
// character, parentheses and blanks too, so the fields count from the last ")".
func parseStat(text []byte) (state byte, group int, err error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return 0, 0, errors.New("stat without a command name")
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 3 || len(fields[0]) != 1 {
		return 0, 0, errors.New("stat is too short")
	}
	if state := fields[0][0] | 0x20; state < 'a' || state > 'z' {
		return 0, 0, fmt.Errorf("stat has %q for a state, which is no letter", fields[0])
	}
	group, err = strconv.Atoi(string(fields[2]))
	return fields[0][0], group, err
}
