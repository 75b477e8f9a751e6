package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// errMounted is returned for a directory that is the root of a mount: what is in
// it belongs to somebody else.
var errMounted = errors.New("something is mounted there; unmount it, then run `aftershock clean`")

// removeDir removes a directory of this user in parent with all that is in it,
// the owner file last, so that a removal that was cut short is taken up again.
// It goes from descriptor to descriptor and by single names, so that whoever
// swaps a directory for a link meanwhile gains nothing; and it enters no mount.
// A directory that is gone already is a success.
func removeDir(parent, name string) error {
	dir, err := openOwnDir(parent, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := empty(dir, ownerFile); err != nil {
		return err
	}
	if err := removeEntry(dir, ownerFile); err != nil {
		return err
	}
	return removeEmpty(parent, name)
}

func removeEmpty(parent, name string) error {
	err := unix.Rmdir(filepath.Join(parent, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "remove", Path: filepath.Join(parent, name), Err: err}
	}
	return nil
}

// empty removes all entries of a directory but one. It goes on after an error,
// so that as little as possible is left.
func empty(dir *os.File, but string) error {
	var errs []error
	for {
		// By portions, and from the start after each: what is removed moves the rest.
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
		names, err := dir.Readdirnames(-1)
		if err != nil {
			return err
		}
		removed := 0
		errs = errs[:0]
		for _, name := range names {
			if name == but {
				continue
			}
			if err := removeEntry(dir, name); err != nil {
				errs = append(errs, err)
				continue
			}
			removed++
		}
		if removed == 0 {
			return errors.Join(errs...)
		}
	}
}

// removeEntry removes one entry of a directory, whatever it is.
func removeEntry(dir *os.File, name string) error {
	err := unix.Unlinkat(int(dir.Fd()), name, 0)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// Linux says EISDIR of a directory, other file systems EPERM.
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return &fs.PathError{Op: "remove", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	below, openErr := openBelow(dir, name)
	if openErr != nil {
		if errors.Is(openErr, fs.ErrNotExist) {
			return nil
		}
		return openErr
	}
	err = empty(below, "")
	if err = errors.Join(err, below.Close()); err != nil {
		return err
	}
	if err := unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "remove", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	return nil
}

// openBelow opens a directory in dir: neither through a link nor into a mount,
// also one of the same file system.
func openBelow(dir *os.File, name string) (*os.File, error) {
	path := filepath.Join(dir.Name(), name)
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	below := os.NewFile(uintptr(fd), path)
	outer, err := mountOf(dir)
	if err != nil {
		return nil, errors.Join(err, below.Close())
	}
	inner, err := mountOf(below)
	if err != nil {
		return nil, errors.Join(err, below.Close())
	}
	if outer != inner {
		return nil, errors.Join(&fs.PathError{Op: "enter", Path: path, Err: errMounted}, below.Close())
	}
	return below, nil
}

// mountOf names the mount that an open file was found on (proc_pid_fdinfo(5)).
func mountOf(file *os.File) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", file.Fd()))
	if err != nil {
		return "", fmt.Errorf("see what %s is mounted on: %w", file.Name(), err)
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", fmt.Errorf("the kernel does not tell what %s is mounted on", file.Name())
}
