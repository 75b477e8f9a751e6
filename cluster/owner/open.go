package owner

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

var (
	// ErrNotOwn is returned for a file of another user: whoever may do all must
	// not do it with what others have laid there.
	ErrNotOwn = errors.New("it belongs to another user")
	// ErrNotRegular is returned for what is no plain file: a link, a pipe, a device.
	ErrNotRegular = errors.New("it is no regular file")
)

// OpenAt opens a regular file of this user for reading; path is below the
// directory of the descriptor dir. It looks before it opens: opening alone can
// hang on a pipe and move a device.
func OpenAt(dir int, path string) (*os.File, error) {
	look, err := unix.Openat(dir, path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(look)
	var st unix.Stat_t
	if err := unix.Fstat(look, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, &os.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	case int(st.Uid) != os.Geteuid():
		return nil, &os.PathError{Op: "open", Path: path, Err: ErrNotOwn}
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(look), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// fdPath is where the kernel tells an open file's own path.
func fdPath(file *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(file.Fd())) }
