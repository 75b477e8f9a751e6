package process

import (
	"bytes"
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

// A node can have further file systems in which its server can be started, each of
// another image: containers of these images share the node's PID namespace, network
// and data directory, and live by one process each, which does nothing (Stand). Whoever
// may look into that process has its root, with all that is mounted there, under
// /proc/PID/root. A server in it is a child of the agent all the same, in the node's
// own control groups.

// EnvStand names the file system in which a process stands.
const EnvStand = "AFTERSHOCK_STAND"

const (
	standTimeout = 10 * time.Second // for the processes that stand in further file systems to be there
	standPause   = 5 * time.Millisecond
)

// Stand keeps the file system that this process is in until ctx ends.
func Stand(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// FindRoots waits for the processes that stand in the node's further file systems, one
// for each name, and leaves them out of all that is done to the node's. It is called
// before the first server is started.
func (s *Supervisor) FindRoots(ctx context.Context, names []string) (pids []int, err error) {
	ctx, cancel := context.WithTimeout(ctx, standTimeout)
	defer cancel()
	roots := map[string]int{}
	missing := func(name string) bool { return roots[name] == 0 }
	for {
		all, err := numericNames("/proc")
		if err != nil {
			return nil, err
		}
		for _, pid := range all {
			if name := standsIn(pid); slices.Contains(names, name) {
				roots[name], _ = strconv.Atoi(pid)
			}
		}
		first := slices.IndexFunc(names, missing)
		if first < 0 {
			break
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("nobody stands in the file system %s of this node: %w", names[first], ctx.Err())
		case <-time.After(standPause):
		}
	}
	for _, pid := range roots {
		s.children.spare(pid)
		pids = append(pids, pid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roots = roots
	return pids, nil
}

// standsIn is the name of the file system in which a process stands; empty: it does not.
func standsIn(pid string) string {
	text, err := os.ReadFile("/proc/" + pid + "/environ")
	if err != nil {
		return "" // it has ended, or nobody may look
	}
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		if name, ok := bytes.CutPrefix(entry, []byte(EnvStand+"=")); ok {
			return string(name)
		}
	}
	return ""
}

// place is the file system that a server is started in. The zero value is the agent's own.
type place struct {
	dir string   // its root, as the agent sees it; empty: the agent's own
	env []string // that its image sets; nil: the agent's own
}

// placeOf is where a server runs. The caller holds mu.
func (s *Supervisor) placeOf(spec cluster.ServerSpec) (place, error) {
	if spec.Root == "" {
		return place{env: os.Environ()}, nil
	}
	pid, ok := s.roots[spec.Root]
	if !ok {
		return place{}, fmt.Errorf("this node has no file system %q", spec.Root)
	}
	proc := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(proc + "/environ")
	if err == nil && standsIn(strconv.Itoa(pid)) != spec.Root {
		err = errors.New("its process has ended")
	}
	if err != nil {
		return place{}, fmt.Errorf("the file system %s of this node is gone: %w", spec.Root, err)
	}
	return place{dir: proc + "/root", env: strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")}, nil
}

// handOver gives what is in the data directory to the user of a server that comes from
// another image, where users have other numbers.
func handOver(dataDir string, who account) error {
	info, err := os.Lstat(dataDir)
	if errors.Is(err, fs.ErrNotExist) || !who.specified {
		return nil
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == who.uid && owner.Gid == who.gid {
		return nil
	}
	return filepath.WalkDir(dataDir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return who.chown(path)
	})
}
