package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

const (
	dirPrefix = "aftershock-"
	ownerFile = "owner"
	// makingTime is how old a directory without an owner file has to be before
	// Clean takes it for one whose harness died while it made it.
	makingTime = time.Minute
)

// dirName is what newRunDir calls a directory: after its launch (crypto/rand.Text).
var dirName = regexp.MustCompile(`^` + dirPrefix + `([a-z2-7]{26})$`)

// runDir is the temporary directory of one cluster. Its file "owner" names the
// launch and is held locked by the harness for as long as it lives: the lock is
// in the directory and goes where the directory goes.
type runDir struct {
	path string
	lock *os.File
}

func runDirPath(parent, launch string) string {
	return filepath.Join(parent, dirPrefix+strings.ToLower(launch))
}

// newRunDir makes a launch's directory in parent; an empty launch gets a name by
// chance.
func newRunDir(parent, launch string) (_ *runDir, err error) {
	if launch == "" {
		launch = rand.Text()
	}
	path := runDirPath(parent, launch)
	if !dirName.MatchString(filepath.Base(path)) {
		return nil, fmt.Errorf("launch id %q: make it with crypto/rand.Text", launch)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the run's temporary directory: %w", err)
	}
	d := &runDir{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.remove())
		}
	}()
	// Nobody sees an owner file that is not locked.
	made := filepath.Join(path, "."+ownerFile)
	if d.lock, err = owner.Lock(made, strings.ToLower(launch)); err != nil {
		return nil, fmt.Errorf("mark the run's temporary directory: %w", err)
	}
	if err := os.Rename(made, filepath.Join(path, ownerFile)); err != nil {
		return nil, fmt.Errorf("mark the run's temporary directory: %w", err)
	}
	// Servers that run as another user must be able to enter.
	if err := os.Chmod(path, 0o755); err != nil {
		return nil, fmt.Errorf("open the run's temporary directory: %w", err)
	}
	return d, nil
}

func (d *runDir) node(name string) string { return filepath.Join(d.path, "node-"+name) }

func (d *runDir) remove() error {
	err := removeDir(filepath.Dir(d.path), filepath.Base(d.path))
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
		d.lock = nil
	}
	if err != nil {
		return fmt.Errorf("remove the run's temporary directory: %w", err)
	}
	return nil
}

// Clean removes the temporary directories of dead runs and returns their paths.
// A run is dead when nobody holds the lock of its directory's owner file. What
// has no such file, belongs to a living run or to another user, or is not of this
// package's making, is left alone, and so is what is mounted or linked into it;
// the error tells of directories that could not be removed whole.
func Clean(ctx context.Context) ([]string, error) { return clean(ctx, os.TempDir()) }

func clean(ctx context.Context, parent string) (removed []string, err error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, nil // no directory, nothing to clean
	}
	var errs []error
	for _, entry := range entries {
		if ctx.Err() != nil {
			break
		}
		found := dirName.FindStringSubmatch(entry.Name())
		if found == nil || !dead(parent, entry.Name(), found[1]) {
			continue
		}
		if err := removeDir(parent, entry.Name()); err != nil {
			errs = append(errs, fmt.Errorf("local: clean: %w", err))
			continue
		}
		cleanGroups(cgroupRoot, entry.Name())
		removed = append(removed, filepath.Join(parent, entry.Name()))
	}
	return removed, errors.Join(errs...)
}

// Reap removes the temporary directory of a launch whose harness has ended, and
// tells whether there was one. As long as a process of it still holds it, it is
// left for the next call.
func Reap(parent, launch string) (found bool, err error) {
	name := filepath.Base(runDirPath(parent, launch))
	if !dirName.MatchString(name) {
		return false, fmt.Errorf("local: launch id %q was not made by a harness", launch)
	}
	dir, err := openOwnDir(parent, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("local: reap: %w", err)
	}
	defer dir.Close()
	if lock, err := owner.OpenAt(int(dir.Fd()), ownerFile); err == nil {
		defer lock.Close()
		if !owner.Free(lock) {
			return true, nil
		}
	}
	if err := removeDir(parent, name); err != nil {
		return true, fmt.Errorf("local: reap: %w", err)
	}
	cleanGroups(cgroupRoot, name)
	return true, nil
}

// dead tells whether a directory belonged to a run whose harness is no more.
func dead(parent, name, launch string) bool {
	dir, err := openOwnDir(parent, name)
	if err != nil {
		return false
	}
	defer dir.Close()
	lock, err := owner.OpenAt(int(dir.Fd()), ownerFile)
	if errors.Is(err, fs.ErrNotExist) {
		return neverOwned(dir)
	}
	if err != nil {
		return false
	}
	defer lock.Close()
	return owner.Names(lock, launch) && owner.Free(lock)
}

// neverOwned tells whether a harness died while it made a directory: there is at
// most an owner file that did not get its name yet, free and not young.
func neverOwned(dir *os.File) bool {
	info, err := dir.Stat()
	if err != nil || time.Since(info.ModTime()) < makingTime {
		return false
	}
	names, err := dir.Readdirnames(2)
	if len(names) == 0 {
		return true // err is io.EOF
	}
	if err != nil || len(names) > 1 || names[0] != "."+ownerFile {
		return false
	}
	lock, err := owner.OpenAt(int(dir.Fd()), names[0])
	if err != nil {
		return false
	}
	defer lock.Close()
	return owner.Free(lock)
}

// openOwnDir opens a directory of this user in parent: no link, and nothing that is
// mounted there.
func openOwnDir(parent, name string) (*os.File, error) {
	above, err := os.Open(parent)
	if err != nil {
		return nil, err
	}
	defer above.Close()
	dir, err := openBelow(above, name)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	if int(st.Uid) != os.Geteuid() {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: dir.Name(), Err: owner.ErrNotOwn}, dir.Close())
	}
	return dir, nil
}
