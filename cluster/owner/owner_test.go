package owner

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// harness is one that lives in this process: its lock, and its mark.
func harness(t *testing.T) (lock *os.File, launch string, mark Mark) {
	t.Helper()
	launch = rand.Text()
	lock, err := Lock(filepath.Join(t.TempDir(), "lock"), launch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Close() })
	if mark, err = New(lock.Name()); err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(mark.String()); err != nil || again != mark {
		t.Fatalf("%+v became %+v, %v", mark, again, err)
	}
	return lock, launch, mark
}

// ended is a process that is no more, and was waited for.
func ended(t *testing.T) int {
	t.Helper()
	p, err := os.StartProcess("/proc/self/exe", []string{"x", "-test.run=^$"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	return p.Pid
}

func TestLife(t *testing.T) {
	gonePID := ended(t)
	put := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	move := func(t *testing.T, lock *os.File) {
		t.Helper()
		if err := os.Rename(lock.Name(), lock.Name()+".moved"); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(m *Mark) { m.PID = gonePID }
	for _, c := range []struct {
		name string
		do   func(t *testing.T, lock *os.File, launch string, m *Mark)
		want Life
	}{
		{"nothing happened", func(*testing.T, *os.File, string, *Mark) {}, Alive},
		{"the lock is free", func(_ *testing.T, lock *os.File, _ string, _ *Mark) { _ = lock.Close() }, Dead},
		{"it died", func(_ *testing.T, lock *os.File, _ string, m *Mark) { _ = lock.Close(); gone(m) }, Dead},
		{"the lock was moved", func(t *testing.T, lock *os.File, _ string, _ *Mark) { move(t, lock) }, Alive},
		{"the folder was moved", func(t *testing.T, lock *os.File, _ string, _ *Mark) {
			dir := filepath.Dir(lock.Name())
			if err := os.Rename(dir, dir+"-moved"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir + "-moved") })
		}, Alive},
		{"the folder was deleted", func(_ *testing.T, lock *os.File, _ string, _ *Mark) { _ = os.RemoveAll(filepath.Dir(lock.Name())) }, Alive},
		{"a copy is at its place", func(t *testing.T, lock *os.File, launch string, _ *Mark) { move(t, lock); put(t, lock.Name(), launch) }, Alive},
		{"a link to it is at its place", func(t *testing.T, lock *os.File, _ string, _ *Mark) {
			move(t, lock)
			if err := os.Symlink(lock.Name()+".moved", lock.Name()); err != nil {
				t.Fatal(err)
			}
		}, Alive},
		{"it died and the folder was deleted", func(_ *testing.T, lock *os.File, _ string, m *Mark) {
			_ = lock.Close()
			_ = os.RemoveAll(filepath.Dir(lock.Name()))
			gone(m)
		}, Gone},
		{"it died and its number belongs to another", func(_ *testing.T, lock *os.File, _ string, m *Mark) {
			_ = os.Remove(lock.Name())
			m.Start += "1"
		}, Gone},
		{"it died and another file is there", func(t *testing.T, lock *os.File, launch string, m *Mark) {
			move(t, lock)
			_ = lock.Close()
			put(t, lock.Name(), launch)
			gone(m)
		}, Foreign},
		{"it died and the lock names another launch", func(t *testing.T, lock *os.File, _ string, m *Mark) {
			_ = lock.Close()
			put(t, lock.Name(), rand.Text())
			gone(m)
		}, Foreign},
		{"it died and a link is there", func(t *testing.T, lock *os.File, _ string, m *Mark) {
			move(t, lock)
			_ = lock.Close()
			if err := os.Symlink(lock.Name()+".moved", lock.Name()); err != nil {
				t.Fatal(err)
			}
			gone(m)
		}, Foreign},
		{"it died and a pipe is there", func(t *testing.T, lock *os.File, _ string, m *Mark) {
			move(t, lock)
			_ = lock.Close()
			if err := unix.Mkfifo(lock.Name(), 0o600); err != nil {
				t.Fatal(err)
			}
			gone(m)
		}, Foreign},
		{"it is of another boot", func(_ *testing.T, lock *os.File, _ string, m *Mark) { _ = lock.Close(); m.Boot = "x" }, Unknown},
		{"it is of other namespaces", func(_ *testing.T, lock *os.File, _ string, m *Mark) {
			_ = os.Remove(lock.Name())
			m.Space = "x"
			gone(m)
		}, Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			lock, launch, mark := harness(t)
			c.do(t, lock, launch, &mark)
			for range 2 { // asking changes nothing
				if got := mark.Life(launch); got != c.want {
					t.Errorf("life %d, want %d", got, c.want)
				}
			}
		})
	}
}

// A harness that was killed and not waited for is dead though its number is taken.
func TestAZombieIsNoHarness(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	start, err := started(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); alive(cmd.Process.Pid, start) != processGone; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a zombie counts as alive")
		}
	}
}

// Whoever may do all looks at nothing of another user's.
func TestFilesOfOthersAreNotOpened(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	lock, launch, mark := harness(t)
	_ = lock.Close()
	if err := os.Chown(lock.Name(), 65534, 65534); err != nil {
		t.Skipf("needs another user: %v", err)
	}
	if _, err := OpenAt(unix.AT_FDCWD, lock.Name()); !errors.Is(err, ErrNotOwn) {
		t.Errorf("opened: %v", err)
	}
	if got := mark.Life(launch); got != Alive { // by its process
		t.Errorf("life %d", got)
	}
	mark.PID = ended(t)
	if got := mark.Life(launch); got != Gone {
		t.Errorf("after its end: life %d", got)
	}
}

func TestMarksThatAreNotWhole(t *testing.T) {
	_, _, m := harness(t)
	for name, change := range map[string]func(*Mark){
		"no lock": func(m *Mark) { m.Lock = "" }, "a relative lock": func(m *Mark) { m.Lock = "a/lock" }, "a crooked lock": func(m *Mark) { m.Lock = "/a/../b" },
		"no boot": func(m *Mark) { m.Boot = "" }, "no process": func(m *Mark) { m.PID = 0 }, "a group": func(m *Mark) { m.PID = -1 }, "no start": func(m *Mark) { m.Start = "" },
	} {
		bad := m
		change(&bad)
		if _, err := Parse(bad.String()); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := Parse("{"); err == nil {
		t.Error("half a mark was taken")
	}
}

func TestLockIsMadeOnce(t *testing.T) {
	lock, launch, _ := harness(t)
	if _, err := Lock(lock.Name(), launch); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second lock: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(filepath.Dir(link), "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(link, launch); err == nil {
		t.Error("a lock was made through a link")
	}
	if err := os.Rename(lock.Name(), lock.Name()+"2"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock.Name(), []byte("somebody else's"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Unlock(lock); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(lock.Name()); err != nil || !strings.HasPrefix(string(text), "somebody") {
		t.Errorf("what stood at the lock's place: %q, %v", text, err)
	}
	if syscall.Access(lock.Name()+"2", 0) != nil {
		t.Error("the moved lock is gone")
	}
}
