package clock

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Processes are the node's processes but the agent's own.
type Processes interface {
	// Each lists their IDs.
	Each() ([]int, error)
	// Freeze calls f while no thread of one executes.
	Freeze(pid int, f func() error) error
}

// target is one process at one look. Its memory is that of the program that it executed
// when it was opened: what is written after another exec is lost, and harms nobody.
type target struct {
	pid  int
	mem  *os.File
	vdso uint64 // address
}

// openTarget opens a process whose vDSO is at an address; 0: it is looked for.
func openTarget(pid int, vdso uint64) (*target, error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	mem, err := os.OpenFile(dir+"/mem", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if vdso == 0 {
		if vdso, err = vdsoOf(dir); err != nil {
			_ = mem.Close()
			return nil, err
		}
	}
	return &target{pid: pid, mem: mem, vdso: vdso}, nil
}

func (t *target) close() { _ = t.mem.Close() }

// head reads the head of the hook; hooked tells whether there is one.
func (t *target) head(h *hook) (head []byte, hooked bool, err error) {
	head = make([]byte, headSize)
	if _, err := t.mem.ReadAt(head, int64(t.vdso+h.at)); err != nil {
		return nil, false, err
	}
	return head, le.Uint64(head) == magic, nil
}

// set makes the params those in use.
func (t *target) set(h *hook, head []byte, p params) error {
	next := following(head)
	if err := t.write(h.at+uint64(blocksOff+next), p.encode()); err != nil {
		return err
	}
	return t.write(h.at+selOff, []byte{byte(next)})
}

func (t *target) write(offset uint64, b []byte) error {
	_, err := t.mem.WriteAt(b, int64(t.vdso+offset))
	return err
}

// errOther says that a process has another vDSO than this one, as 32-bit programs have.
var errOther = errors.New("the process has another vDSO")

// insert puts the hook into a process that has none, and makes head that of the hook: it
// goes on where an earlier one ended, of which a thread may still read a block.
func (t *target) insert(h *hook, head []byte, all Processes) error {
	for _, p := range h.patches {
		b := make([]byte, len(p.old))
		if _, err := t.mem.ReadAt(b, int64(t.vdso+p.at)); err != nil {
			return err
		}
		if string(b) != string(p.old) {
			return errOther
		}
	}
	place := byte(selected(head))
	copy(head, newHead())
	head[selOff] = place
	return t.patch(h, all, append(head[:headSize:headSize], h.body[headSize:]...))
}

// remove takes the hook out. Its code stays, as a thread may be within it.
func (t *target) remove(h *hook, all Processes) error { return t.patch(h, all, nil) }

// Tries to find all threads of a process outside of what a patch breaks apart: two or
// three instructions.
const (
	tries    = 50
	tryPause = 100 * time.Microsecond
)

// errBusy asks for another try.
var errBusy = errors.New("a thread is about to go on in the middle of the vDSO's entries")

// patch writes the entries while the process stands still: to lead to the hook, whose body
// comes first, or if that is nil as they were.
func (t *target) patch(h *hook, all Processes, body []byte) error {
	for try := 1; ; try++ {
		err := all.Freeze(t.pid, func() error { return t.patchFrozen(h, body) })
		if !errors.Is(err, errBusy) || try == tries {
			return err
		}
		time.Sleep(time.Duration(try) * tryPause)
	}
}

func (t *target) patchFrozen(h *hook, body []byte) error {
	if body != nil {
		if busy, err := t.within(h); busy || err != nil {
			return errors.Join(err, errBusy)
		}
		if err := t.write(h.at, body); err != nil {
			return err
		}
	}
	for _, p := range h.patches {
		b := p.old
		if body != nil {
			b = p.new
		}
		if err := t.write(p.at, b); err != nil {
			return err
		}
	}
	if body == nil {
		return t.write(h.at, make([]byte, 8)) // no longer in place
	}
	return nil
}

// within tells whether a thread is about to go on where a patch breaks instructions apart.
func (t *target) within(h *hook) (bool, error) {
	dir := fmt.Sprintf("/proc/%d/task", t.pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, thread := range threads {
		call, err := readCall(dir + "/" + thread.Name())
		switch {
		case gone(err):
			continue
		case err != nil:
			return false, err
		case call.running:
			return true, nil
		}
		for _, p := range h.patches {
			if from := t.vdso + p.at; call.pc > from && call.pc < from+p.unsafe {
				return true, nil
			}
		}
	}
	return false, nil
}

// gone tells whether an error means that a process, or its program, has ended.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || errors.Is(err, errNoVDSO)
}

// call is where a thread is.
type call struct {
	running bool
	number  int // of its system call; -1: none
	args    [6]uint64
	pc      uint64
}

// readCall reads the file syscall of a thread's folder, see proc_pid_syscall(5).
func readCall(dir string) (call, error) {
	text, err := os.ReadFile(dir + "/syscall")
	if err != nil {
		return call{}, err
	}
	return parseCall(string(text))
}

func parseCall(text string) (c call, err error) {
	fields := strings.Fields(text)
	if len(fields) == 1 && fields[0] == "running" {
		return call{running: true}, nil
	}
	if len(fields) != 3 && len(fields) != 9 {
		return call{}, fmt.Errorf("what a thread does is told as %q", text)
	}
	if c.number, err = strconv.Atoi(fields[0]); err != nil {
		return call{}, err
	}
	numbers := make([]uint64, len(fields)-1)
	for i, f := range fields[1:] {
		if numbers[i], err = strconv.ParseUint(strings.TrimPrefix(f, "0x"), 16, 64); err != nil {
			return call{}, err
		}
	}
	if len(numbers) == 8 {
		copy(c.args[:], numbers)
	}
	c.pc = numbers[len(numbers)-1]
	return c, nil
}
