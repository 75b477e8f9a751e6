package victim

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Server says which processes of a machine are those of the server, where others
// live there too: those of Unit; else those of the program Process; else whoever
// listens on Port. All that these have started are part of it.
type Server struct {
	Unit    string `json:"unit,omitempty"`    // a unit of systemd, with or without .service
	Process string `json:"process,omitempty"` // a program's name
	Port    int    `json:"port,omitempty"`    // of TCP
}

// String names the server for messages.
func (s Server) String() string {
	switch {
	case s.Unit != "":
		return "unit " + s.Unit
	case s.Process != "":
		return "program " + s.Process
	}
	return fmt.Sprintf("what listens on port %d", s.Port)
}

// NewOf returns the processes of one server of this machine; it does no I/O. An
// action that names no program hits all of these, and never the machine's others.
func NewOf(s Server) *Processes { return &Processes{server: &s} }

// Leader is the server's first process: the oldest, or who listens. It is not ok if
// the server does not run.
func (p *Processes) Leader() (pid int, started uint64, ok bool) {
	list, err := p.find("")
	if err != nil || len(list) == 0 {
		return 0, 0, false
	}
	first := slices.MinFunc(list, func(a, b process) int {
		return cmp.Or(cmp.Compare(a.started, b.started), cmp.Compare(a.pid, b.pid))
	})
	return first.pid, first.started, true
}

// Lives tells whether a process of Leader is still there.
func Lives(pid int, started uint64) bool {
	now, ok := look(pid)
	return ok && now.started == started
}

// find lists the processes that an action hits.
func (p *Processes) find(name string) ([]process, error) {
	if p.server == nil || name != "" {
		return find(name)
	}
	return p.server.find()
}

func (s Server) find() ([]process, error) {
	pids, err := numbers("/proc")
	if err != nil {
		return nil, fmt.Errorf("see the processes: %w", err)
	}
	var first map[int]bool
	switch {
	case s.Unit != "":
		first = chosen(pids, func(pid int) bool { return ofUnit(pid, s.Unit) })
	case s.Process != "":
		first = chosen(pids, func(pid int) bool { return runs(pid, s.Process) })
	default:
		if first, err = listeners(pids, s.Port); err != nil {
			return nil, err
		}
	}
	if len(first) == 0 {
		return nil, nil
	}
	return family(pids, first), nil
}

func chosen(pids []int, is func(pid int) bool) map[int]bool {
	list := map[int]bool{}
	for _, pid := range pids {
		if pid > 1 && pid != os.Getpid() && is(pid) {
			list[pid] = true
		}
	}
	return list
}

// family lists the living of the first processes and of all that these have started.
// This process and the machine's first are never among them.
func family(pids []int, first map[int]bool) []process {
	parents := map[int]int{}
	for _, pid := range pids {
		if text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
			parents[pid] = parentOf(text)
		}
	}
	var list []process
	for _, pid := range pids {
		in := false
		for at, steps := pid, 0; at > 1 && steps < len(pids) && !in; at, steps = parents[at], steps+1 {
			if at == os.Getpid() {
				break // what the guest has started is not the server
			}
			in = first[at]
		}
		if !in {
			continue
		}
		if v, ok := look(pid); ok {
			list = append(list, v)
		}
	}
	return list
}

// parentOf reads a process's parent from proc_pid_stat(5); 0 if it cannot be read.
func parentOf(stat []byte) int {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	return parent
}

// ofUnit tells whether a process is in a unit's control group, see cgroups(7).
func ofUnit(pid int, unit string) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	return err == nil && inUnit(string(text), unit)
}

func inUnit(groups, unit string) bool {
	if !strings.Contains(unit, ".service") && !strings.Contains(unit, ".scope") {
		unit += ".service"
	}
	for line := range strings.SplitSeq(groups, "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) == 3 && (parts[1] == "" || parts[1] == "name=systemd") && slices.Contains(strings.Split(parts[2], "/"), unit) {
			return true
		}
	}
	return false
}

// listeners are the processes that hold a socket which listens on a port.
func listeners(pids []int, port int) (map[int]bool, error) {
	sockets := map[string]bool{}
	seen := false
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		file, err := os.Open(name)
		if err != nil {
			continue // a machine without IPv6 has one of them
		}
		seen = true
		addListening(file, port, sockets)
		_ = file.Close()
	}
	if !seen {
		return nil, errors.New("see who listens: /proc/net/tcp is not there")
	}
	if len(sockets) == 0 {
		return nil, nil
	}
	return chosen(pids, func(pid int) bool { return holds(pid, sockets) }), nil
}

// listening is the state of a socket that listens, as the kernel shows it.
const listening = "0A"

// addListening adds the links of the sockets of /proc/net/tcp that listen on a port.
func addListening(table io.Reader, port int, to map[string]bool) {
	want := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) > 9 && f[3] == listening && strings.HasSuffix(f[1], want) {
			to["socket:["+f[9]+"]"] = true
		}
	}
}

func holds(pid int, sockets map[string]bool) bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	fds, _ := numbers(dir) // it may have ended
	for _, fd := range fds {
		if link, err := os.Readlink(dir + "/" + strconv.Itoa(fd)); err == nil && sockets[link] {
			return true
		}
	}
	return false
}
