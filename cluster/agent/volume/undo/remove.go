package undo

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// emptyDir tells whether a directory has no entries.
func emptyDir(fd int, name string) bool {
	list, err := list(fd, name, 1)
	return err == nil && len(list) == 0
}

// list reads the names in a directory, at most so many; all if that is not
// positive.
func list(fd int, name string, most int) ([]string, error) {
	below, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	d := os.NewFile(uintptr(below), name)
	defer d.Close()
	names, err := d.Readdirnames(most)
	if most > 0 && len(names) == 0 {
		return nil, nil // the end is told by an error
	}
	return names, err
}

// removeAll removes an entry with all that is below it.
func removeAll(fd int, name string) error {
	err := unix.Unlinkat(fd, name, 0)
	if err == nil || errors.Is(err, syscall.ENOENT) {
		return nil
	}
	names, err := list(fd, name, 0)
	if err != nil {
		return err
	}
	below, err := unix.Openat(fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(below)
	for _, n := range names {
		if err := removeAll(below, n); err != nil {
			return err
		}
	}
	return unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
}
