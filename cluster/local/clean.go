package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	dirPrefix = "aftershock-"
	ownerFile = "owner"
	maxOwner  = 4096 // bytes of a path
)

// runDir is the temporary directory of one cluster. Its file "owner" holds the
// path of the file that the harness keeps locked for as long as it lives.
type runDir struct {
	path string
	lock *os.File // of the owner file itself, where the harness has no lock file
}

// newRunDir makes a run's directory in parent.
func newRunDir(parent, lockFile string) (_ *runDir, err error) {
	path, err := os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return nil, fmt.Errorf("make the run's temporary directory: %w", err)
	}
	d := &runDir{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.remove())
		}
	}()
	// Servers that run as another user must be able to enter.
	if err := os.Chmod(path, 0o755); err != nil {
		return nil, fmt.Errorf("open the run's temporary directory: %w", err)
	}
	owner := filepath.Join(path, ownerFile)
	if lockFile == "" {
		if d.lock, err = os.OpenFile(owner, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
			return nil, fmt.Errorf("mark the run's temporary directory: %w", err)
		}
		if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX); err != nil {
			return nil, fmt.Errorf("lock %s: %w", owner, err)
		}
		lockFile = owner
	}
	if lockFile, err = filepath.Abs(lockFile); err != nil {
		return nil, fmt.Errorf("name the lock file: %w", err)
	}
	if err := os.WriteFile(owner, []byte(lockFile), 0o644); err != nil {
		return nil, fmt.Errorf("mark the run's temporary directory: %w", err)
	}
	return d, nil
}

func (d *runDir) node(name string) string { return filepath.Join(d.path, "node-"+name) }

func (d *runDir) remove() error {
	err := os.RemoveAll(d.path)
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
		d.lock = nil
	}
	if err != nil {
		return fmt.Errorf("remove the run's temporary directory: %w", err)
	}
	return nil
}

// Clean removes the temporary directories of dead runs and returns their
// paths. A run is dead when nobody holds the lock of the file that its
// directory's owner file names. Directories without an owner file, of living
// runs, or that this user may not judge or remove are left alone.
func Clean(ctx context.Context) []string {
	return clean(ctx, os.TempDir())
}

func clean(ctx context.Context, parent string) []string {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil // no directory, nothing to clean
	}
	var removed []string
	for _, entry := range entries {
		if ctx.Err() != nil {
			break
		}
		dir := filepath.Join(parent, entry.Name())
		if entry.IsDir() && strings.HasPrefix(entry.Name(), dirPrefix) && dead(dir) && os.RemoveAll(dir) == nil {
			removed = append(removed, dir)
		}
	}
	return removed
}

// dead tells whether dir belonged to a run whose harness is no more.
func dead(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, ownerFile))
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > maxOwner {
		return false
	}
	owner, err := os.ReadFile(filepath.Join(dir, ownerFile))
	if err != nil || !filepath.IsAbs(string(owner)) {
		return false
	}
	lock, err := os.OpenFile(string(owner), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return false
	}
	defer lock.Close()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}
