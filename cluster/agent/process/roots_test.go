package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// TestRoots: a node's further file systems are those of the processes that say so, for as
// long as they are there; what is not found is told by its name.
func TestRoots(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	stand := exec.Command(sleep, "60")
	stand.Env = []string{EnvStand + "=17.2", "LANG=C.UTF-8"}
	if err := stand.Start(); err != nil {
		t.Fatal(err)
	}
	over := func() {
		_ = stand.Process.Kill()
		_ = stand.Wait()
	}
	t.Cleanup(over)
	s := NewSupervisor(Options{})
	pids, err := s.FindRoots(t.Context(), []string{"17.2"})
	if err != nil || !slices.Equal(pids, []int{stand.Process.Pid}) {
		t.Fatalf("%v, %v, want %d", pids, err, stand.Process.Pid)
	}
	if !s.children.spares(stand.Process.Pid) {
		t.Error("the process that stands there is not left out of what is done to the node's")
	}
	p, err := s.placeOf(cluster.ServerSpec{Root: "17.2"})
	if err != nil || !slices.Contains(p.env, "LANG=C.UTF-8") {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := os.Stat(filepath.Join(p.dir, sleep)); err != nil {
		t.Errorf("it has not the file system's programs: %v", err)
	}
	if p, err := s.placeOf(cluster.ServerSpec{}); err != nil || p.dir != "" || p.env == nil {
		t.Errorf("the node's own: %+v, %v", p, err)
	}
	if _, err := s.placeOf(cluster.ServerSpec{Root: "16"}); err == nil || !strings.Contains(err.Error(), `no file system "16"`) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := NewSupervisor(Options{}).FindRoots(ctx, []string{"18"}); err == nil || !strings.Contains(err.Error(), "nobody stands in the file system 18") {
		t.Errorf("%v", err)
	}
	over()
	if _, err := s.placeOf(cluster.ServerSpec{Root: "17.2"}); err == nil || !strings.Contains(err.Error(), "17.2 of this node is gone") {
		t.Errorf("%v", err)
	}
}

// TestHandOver: all of a data directory becomes the user's, links themselves and not what
// they point to; what is the user's already is not gone through.
func TestHandOver(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	deep := filepath.Join(dir, "db", "base")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(deep, "1"), outside} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	who := account{specified: true, uid: 123, gid: 456}
	owner := func(path string) (uint32, uint32) {
		t.Helper()
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		of := info.Sys().(*syscall.Stat_t)
		return of.Uid, of.Gid
	}
	if err := handOver(dir, account{}); err != nil {
		t.Fatal(err)
	}
	if uid, _ := owner(dir); uid != 0 {
		t.Error("nobody was named, and it was given away")
	}
	if err := handOver(dir, who); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, deep, filepath.Join(deep, "1"), filepath.Join(dir, "link")} {
		if uid, gid := owner(path); uid != 123 || gid != 456 {
			t.Errorf("%s is %d:%d's", path, uid, gid)
		}
	}
	if uid, _ := owner(outside); uid != 0 {
		t.Error("what a link points to was given away")
	}
	late := filepath.Join(dir, "late")
	if err := os.WriteFile(late, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := handOver(dir, who); err != nil {
		t.Fatal(err)
	}
	if uid, _ := owner(late); uid != 0 {
		t.Error("a directory that is the user's was gone through")
	}
	if err := handOver(filepath.Join(dir, "nothing"), who); err != nil {
		t.Error(err)
	}
}
