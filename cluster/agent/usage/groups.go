package usage

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aftershock-chaos/aftershock/history/usage"
)

// groups are the control groups that hold the node and nothing else, see
// cgroups(7); an empty folder is none.
type groups struct {
	both   string // of version 2
	cpu    string // of version 1
	memory string // of version 1
}

// findGroups looks where a container sees its own group: at the root.
func findGroups(root string) (g groups) {
	if own(root) {
		g.both = root
		return g
	}
	if dir := filepath.Join(root, "cpuacct"); own(dir) {
		g.cpu = dir
	}
	if dir := filepath.Join(root, "memory"); own(dir) {
		g.memory = dir
	}
	return g
}

// own tells whether a group has this process in it, and none that this process
// does not see: the kernel lists those as 0.
func own(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return false
	}
	self := false
	for _, pid := range bytes.Fields(text) {
		switch string(pid) {
		case "0":
			return false
		case strconv.Itoa(os.Getpid()):
			self = true
		}
	}
	return self
}

// read puts what the groups tell in place of what was added up of the processes:
// they miss nothing. The agent, which is in them too, is taken out, and with it the
// time and memory of its helper.
func (g *groups) read(s *usage.Set, agent, helper int64) {
	own, _ := os.ReadFile("/proc/self/status")
	held := (field(own, "RssAnon:")+field(own, "RssShmem:"))*1024 + helper
	switch {
	case g.both != "":
		if stat, err := os.ReadFile(filepath.Join(g.both, "cpu.stat")); err == nil {
			s[usage.CPU] = max(field(stat, "usage_usec")*1000-agent, 0)
		}
		if stat, err := os.ReadFile(filepath.Join(g.both, "memory.stat")); err == nil {
			s[usage.Memory] = max(field(stat, "anon")+field(stat, "\nshmem")-held, 0)
		}
		s[usage.Charged] = number(filepath.Join(g.both, "memory.current"))
		return
	case g.cpu != "":
		if n := number(filepath.Join(g.cpu, "cpuacct.usage")); n != usage.Unknown {
			s[usage.CPU] = max(n-agent, 0)
		}
	}
	if g.memory == "" {
		return
	}
	if stat, err := os.ReadFile(filepath.Join(g.memory, "memory.stat")); err == nil {
		s[usage.Memory] = max(field(stat, "total_rss ")+field(stat, "total_shmem ")-held, 0)
	}
	s[usage.Charged] = number(filepath.Join(g.memory, "memory.usage_in_bytes"))
}

// number is the number that a file holds.
func number(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return usage.Unknown
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return usage.Unknown
	}
	return n
}
