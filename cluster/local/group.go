package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// cgroupRoot is where the kernel's control groups are mounted.
const cgroupRoot = "/sys/fs/cgroup"

// groupGone is how long the kernel may take until a group whose processes have
// ended can be removed.
const groupGone = 2 * time.Second

// groups are the control groups of one node, made for its limits.
type groups struct {
	dirs   []string
	time   string // the directory of the group whose quota hold sets; empty: there is none
	quota  limit  // which is that
	events string // the file that counts the processes killed for want of memory; empty: there is none
}

// limit is one file of a controller, of version 1 or 2 of the control groups.
type limit struct{ file, value string }

// makeGroups makes the groups that hold a node to its limits. Where that is not
// permitted there are none, and pids says so; a limit of memory is then an
// error.
func makeGroups(root, name string, l cluster.Limits) (g *groups, pids bool, err error) {
	g = &groups{}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.remove(context.Background()))
		}
	}()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return g, false, fmt.Errorf("find the control groups: %w", err)
	}
	if l.Memory > 0 {
		bytes := strconv.FormatInt(l.Memory, 10)
		dir, second, err := g.make(root, string(own), name, "memory", []limit{{"memory.max", bytes}}, []limit{{"memory.limit_in_bytes", bytes}})
		if err != nil {
			return g, false, fmt.Errorf("%w: limit the node's memory (target.memory): %w: run as root, on the docker host, or leave the limit out", cluster.ErrUnavailable, err)
		}
		// Without swap the limit is one; a machine without swap has no such file.
		swap := limit{"memory.memsw.limit_in_bytes", bytes}
		g.events = filepath.Join(dir, "memory.oom_control")
		if second {
			swap, g.events = limit{"memory.swap.max", "0"}, filepath.Join(dir, "memory.events")
		}
		_ = write(dir, swap)
	}
	if quota, period := l.Quota(); quota > 0 {
		us := func(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
		var second bool
		g.time, second, err = g.make(root, string(own), name, "cpu", []limit{{"cpu.max", "max " + us(period)}}, []limit{{"cpu.cfs_period_us", us(period)}})
		if err != nil {
			return g, false, fmt.Errorf("%w: limit the node's time on processors (target.cpus): %w: run as root, on the docker host, or leave the limit out", cluster.ErrUnavailable, err)
		}
		if g.quota = (limit{"cpu.cfs_quota_us", us(quota)}); second {
			g.quota = limit{"cpu.max", us(quota) + " " + us(period)}
		}
	}
	number := []limit{{"pids.max", strconv.Itoa(l.Processes)}}
	_, _, noPids := g.make(root, string(own), name, "pids", number, number)
	return g, noPids == nil, nil
}

// hold has the limit of time hold, where there is one.
func (g *groups) hold() error {
	if g.time == "" {
		return nil
	}
	if err := write(g.time, g.quota); err != nil {
		return fmt.Errorf("limit the node's time on processors (target.cpus): %w", err)
	}
	return nil
}

// make makes one controller's group: below this process's own, or at the root,
// where the rules of version 2 let processes be beside groups.
func (g *groups) make(root, own, name, controller string, second, first []limit) (dir string, isSecond bool, err error) {
	err = errors.New("there is no control group for it")
	for _, parent := range parents(root, own, controller) {
		isSecond = parent.second
		limits := first
		if isSecond {
			limits = second
			_ = write(parent.dir, limit{"cgroup.subtree_control", "+" + controller}) // it may be on already
		}
		dir = filepath.Join(parent.dir, name)
		if err = os.Mkdir(dir, 0o755); err != nil && !slices.Contains(g.dirs, dir) {
			continue
		}
		err = nil
		for _, l := range limits {
			err = errors.Join(err, write(dir, l))
		}
		if err == nil || slices.Contains(g.dirs, dir) {
			if !slices.Contains(g.dirs, dir) {
				g.dirs = append(g.dirs, dir)
			}
			return dir, isSecond, err
		}
		_ = os.Remove(dir)
	}
	return "", false, err
}

type parent struct {
	dir    string
	second bool // of version 2
}

// parents lists where a controller's groups may be made, as /proc/self/cgroup
// tells; see cgroups(7).
func parents(root, own, controller string) (list []parent) {
	for line := range strings.Lines(own) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && isFile(filepath.Join(root, "cgroup.controllers")):
			list = append(list, parent{filepath.Join(root, parts[2]), true}, parent{root, true})
		case slices.Contains(strings.Split(parts[1], ","), controller):
			base := filepath.Join(root, controller)
			list = append(list, parent{filepath.Join(base, parts[2]), false}, parent{base, false})
		}
	}
	return list
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// write sets a group's file, which is there already.
func write(dir string, l limit) error {
	f, err := os.OpenFile(filepath.Join(dir, l.file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(l.value)
	return errors.Join(err, f.Close())
}

// add puts a process and its threads into the groups.
func (g *groups) add(pid int) error {
	for _, dir := range g.dirs {
		if err := write(dir, limit{"cgroup.procs", strconv.Itoa(pid)}); err != nil {
			return fmt.Errorf("put the node into its control group: %w", err)
		}
	}
	return nil
}

// remove removes the groups; their processes have ended.
func (g *groups) remove(ctx context.Context) error {
	deadline := time.Now().Add(groupGone)
	var failed error
	for _, dir := range g.dirs {
		for {
			err := os.Remove(dir)
			if errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline) && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond) // ended processes leave by and by
				continue
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = errors.Join(failed, fmt.Errorf("remove the node's control group: %w", err))
			}
			break
		}
	}
	if failed == nil {
		g.dirs = nil
	}
	return failed
}

// groupOf is the name of a node's groups: it begins with that of the run's
// temporary directory.
func groupOf(dir, node string) string { return filepath.Base(dir) + "-" + node }

// cleanGroups removes the groups of a run's temporary directory, of which a
// killed harness has left the empty ones.
func cleanGroups(root, dir string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return nil // what cannot be seen has none of ours
		case strings.HasPrefix(d.Name(), groupOf(dir, "")):
			_ = os.Remove(path) // one with processes stays
			return fs.SkipDir
		}
		return nil
	})
}
