package local

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

// makeRunDir makes a directory of a living harness, with something in it.
func makeRunDir(t *testing.T, parent string) *runDir {
	t.Helper()
	d, err := newRunDir(parent, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.lock.Close() })
	fill(t, filepath.Join(d.node("n1"), "data", "deep"))
	return d
}

func fill(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCleanRemovesDeadRunsOnly(t *testing.T) {
	parent := openDir(t)
	alive, dead, moved, robbed, renamed := makeRunDir(t, parent), makeRunDir(t, parent), makeRunDir(t, parent), makeRunDir(t, parent), makeRunDir(t, parent)
	_ = dead.lock.Close()
	if err := os.Rename(moved.path, runDirPath(parent, rand.Text())); err != nil { // alive under another name
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(robbed.path, ownerFile)); err != nil { // alive without its owner file
		t.Fatal(err)
	}
	_ = renamed.lock.Close()
	if err := os.Rename(renamed.path, runDirPath(parent, rand.Text())); err != nil { // dead, but its owner names another
		t.Fatal(err)
	}
	for _, name := range []string{"aftershock-", "aftershock-123", "aftershock-e2e-1", "another", dirPrefix + strings.Repeat("a", 27), filepath.Base(runDirPath("", rand.Text()))} {
		fill(t, filepath.Join(parent, name))
	}
	if err := os.WriteFile(runDirPath(parent, rand.Text()), nil, 0o600); err != nil { // a file
		t.Fatal(err)
	}
	elsewhere := makeRunDir(t, openDir(t))
	_ = elsewhere.lock.Close()
	if err := os.Symlink(elsewhere.path, filepath.Join(parent, filepath.Base(elsewhere.path))); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir(parent)
	removed, err := clean(t.Context(), parent)
	if err != nil || !slices.Equal(removed, []string{dead.path}) {
		t.Errorf("removed %v, want %s, %v", removed, dead.path, err)
	}
	if after, _ := os.ReadDir(parent); len(after) != len(before)-1 {
		t.Errorf("of %v there is %v", before, after)
	}
	for _, path := range []string{alive.node("n1"), elsewhere.node("n1")} {
		if _, err := os.Stat(filepath.Join(path, "data/deep/file")); err != nil {
			t.Error(err)
		}
	}
	_ = alive.lock.Close()
	if removed, err := clean(t.Context(), parent); err != nil || !slices.Equal(removed, []string{alive.path}) {
		t.Errorf("removed %v, want %s, %v", removed, alive.path, err)
	}
}

// A harness that dies while it makes its directory leaves one without an owner.
func TestCleanRemovesWhatWasNeverFinished(t *testing.T) {
	parent := openDir(t)
	make := func(age time.Duration, files ...string) string {
		t.Helper()
		dir := runDirPath(parent, rand.Text())
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	want := []string{make(2 * makingTime), make(2*makingTime, ".owner")}
	kept := []string{make(0), make(2*makingTime, "data"), make(2*makingTime, ".owner", "data")}
	held := make(2 * makingTime)
	lock, err := owner.Lock(filepath.Join(held, ".owner"), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	at := time.Now().Add(-2 * makingTime)
	_ = os.Chtimes(held, at, at)
	removed, err := clean(t.Context(), parent)
	slices.Sort(want)
	if err != nil || !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v, %v", removed, want, err)
	}
	for _, dir := range append(kept, held) {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}

// Links are removed, not followed, and what is mounted is not touched.
func TestRemovalStaysInside(t *testing.T) {
	parent, outside := openDir(t), openDir(t)
	fill(t, outside)
	d := makeRunDir(t, parent)
	_ = d.lock.Close()
	if err := os.Symlink(outside, filepath.Join(d.path, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(outside, "file"), filepath.Join(d.path, "hard")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(d.path, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	bound := filepath.Join(d.node("n1"), "data", "bound")
	if err := os.Mkdir(bound, 0o755); err != nil {
		t.Fatal(err)
	}
	mounted := InSandbox() && syscall.Mount(outside, bound, "", syscall.MS_BIND, "") == nil
	if mounted {
		removed, err := clean(t.Context(), parent)
		if len(removed) != 0 || !errors.Is(err, errMounted) || !strings.Contains(err.Error(), bound) {
			t.Errorf("removed %v, %v", removed, err)
		}
		if err := syscall.Unmount(bound, 0); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Log("no bind mount can be made here")
	}
	if removed, err := clean(t.Context(), parent); err != nil || len(removed) != 1 {
		t.Errorf("the second time: removed %v, %v", removed, err)
	}
	if _, err := os.Stat(filepath.Join(outside, "file")); err != nil {
		t.Errorf("what was linked and mounted: %v", err)
	}
}

// A directory that is a mount itself, or is of another user, is not this user's to remove.
func TestCleanLeavesMountsAndOthersAlone(t *testing.T) {
	if os.Geteuid() != 0 || !InSandbox() {
		t.Skip("needs root in a sandbox")
	}
	parent := openDir(t)
	d := makeRunDir(t, parent)
	_ = d.lock.Close()
	copied := filepath.Join(openDir(t), "copy")
	if err := os.Rename(d.path, copied); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(copied, d.path, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("needs mounts: %v", err)
	}
	removed, err := clean(t.Context(), parent)
	if len(removed) != 0 || err != nil {
		t.Errorf("a mount: removed %v, %v", removed, err)
	}
	if err := syscall.Unmount(d.path, 0); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"directory", "owner file"} {
		d := makeRunDir(t, parent)
		_ = d.lock.Close()
		path := d.path
		if other == "owner file" {
			path = filepath.Join(d.path, ownerFile)
		}
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Skipf("needs another user: %v", err)
		}
		if removed, err := clean(t.Context(), parent); len(removed) != 0 || err != nil {
			t.Errorf("another user's %s: removed %v, %v", other, removed, err)
		}
	}
}

func TestReap(t *testing.T) {
	parent, launch := openDir(t), rand.Text()
	reap := func(want bool) {
		t.Helper()
		if found, err := Reap(parent, launch); found != want || err != nil {
			t.Errorf("found %t, want %t, %v", found, want, err)
		}
	}
	reap(false)
	other := makeRunDir(t, parent)
	_ = other.lock.Close()
	d, err := newRunDir(parent, launch)
	if err != nil {
		t.Fatal(err)
	}
	reap(true)
	if _, err := os.Stat(d.path); err != nil {
		t.Errorf("the last process still lived: %v", err)
	}
	if _, err := newRunDir(parent, launch); err == nil {
		t.Error("one launch has two directories")
	}
	_ = d.lock.Close()
	reap(true)
	reap(false)
	if err := os.Mkdir(d.path, 0o700); err != nil { // it died while it made it
		t.Fatal(err)
	}
	reap(true)
	reap(false)
	if _, err := os.Stat(other.path); err != nil {
		t.Errorf("another launch's: %v", err)
	}
	if _, err := Reap(parent, "../x"); err == nil {
		t.Error("any name is reaped")
	}
}
