// Package wholefile writes files in one step: a reader sees the old contents or
// all of the new, also after a crash, and nothing else ever shows.
package wholefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNotRegular is wrapped by the error for a path that names something else
// than a regular file: a folder, a device, a pipe, a socket, or a link to one.
var ErrNotRegular = errors.New("it is no regular file")

// Write replaces the file at path, or makes it, with what write writes; mode is
// that of a new file, an old one keeps its own. A link is followed: the file
// that it leads to is replaced, and the link stays. What is there and no regular
// file, or a file that this user may not write, is left alone.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) error {
	path, old, err := resolve(path)
	if err != nil {
		return err
	}
	if old != nil {
		if err := unix.Access(path, unix.W_OK); err != nil {
			return &fs.PathError{Op: "write", Path: path, Err: err}
		}
		mode = old.Mode().Perm()
	}
	return Replace(path, mode, write)
}

// Replace is Write for a folder of which not all can be trusted: a link at path
// is replaced itself, as is everything else there but a folder.
//
// After an error the old contents are there, and no part of the new. These have
// no name until they are whole, where the file system can do that, so that even
// SIGKILL leaves none behind.
func Replace(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	f, err := create(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.discard())
		}
	}()
	buffer := bufio.NewWriterSize(f, 1<<16)
	if err := write(buffer); err != nil {
		return err
	}
	if err := errors.Join(buffer.Flush(), f.Chmod(mode), f.Sync()); err != nil {
		return err
	}
	return f.publish(path)
}

// resolve follows the links of a path to the file that is to be replaced; the
// last link may lead to a file that is not there yet.
func resolve(path string) (string, fs.FileInfo, error) {
	const mostLinks = 40
	for range mostLinks {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if strings.HasSuffix(path, string(filepath.Separator)) {
				return "", nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
			}
			return path, nil, nil
		case err != nil:
			return "", nil, err
		case info.Mode().IsRegular():
			return path, info, nil
		case info.Mode()&fs.ModeSymlink == 0:
			return "", nil, fmt.Errorf("%s: %w: %s", path, ErrNotRegular, kind(info.Mode()))
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", nil, err
		}
		if !filepath.IsAbs(to) {
			// The folder's own links count first: "a/../b" is not "b" where a is one.
			folder, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", nil, err
			}
			to = folder + string(filepath.Separator) + to
		}
		path = to
	}
	return "", nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
}

// kind is what something that is no file is called.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "something else"
}

// file is new contents that are not published yet.
type file struct {
	*os.File
	folder, base string
	name         string // empty: it has none yet
}

func create(folder, base string) (*file, error) {
	fd, err := unix.Open(folder, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &file{File: os.NewFile(uintptr(fd), filepath.Join(folder, base)), folder: folder, base: base}, nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
		return nil, &fs.PathError{Op: "create a file in", Path: folder, Err: err}
	}
	f, err := os.CreateTemp(folder, "."+base+"-*")
	if err != nil {
		return nil, err
	}
	return &file{File: f, folder: folder, base: base, name: f.Name()}, nil
}

// publish gives the contents their name.
func (f *file) publish(path string) error {
	if f.name == "" {
		if err := f.link(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.name, path)
}

// link names contents that have none: a link cannot replace a file, so the name
// is one to rename.
func (f *file) link() error {
	placeholder, err := os.CreateTemp(f.folder, "."+f.base+"-*")
	if err != nil {
		return err
	}
	name := placeholder.Name()
	if err := errors.Join(placeholder.Close(), os.Remove(name)); err != nil {
		return err
	}
	err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &fs.PathError{Op: "link", Path: name, Err: err}
	}
	f.name = name
	return nil
}

// discard takes the contents away.
func (f *file) discard() error {
	_ = f.Close() // it may be closed already
	if f.name == "" {
		return nil
	}
	if err := os.Remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
