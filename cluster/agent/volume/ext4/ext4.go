// Package ext4 puts a true file system into a file: an ext4 on a loop device.
package ext4

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Size is how large a file system is, in bytes. What is not written takes no room.
const Size = 4 << 30

const pageSize = 4096

// pages are those of a new file system that are not zero, each behind its number: what
// scripts/ext4 makes with mkfs.ext4.
//
//go:embed pages.gz
var pages []byte

// Format makes a new file system in a file that is not there yet.
func Format(path string) (err error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(pages))
	if err != nil {
		return fmt.Errorf("ext4: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(Size); err != nil {
		return err
	}
	page := make([]byte, 4+pageSize)
	for {
		if _, err := io.ReadFull(unzipped, page); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("ext4: %w", err)
		}
		if _, err := f.WriteAt(page[4:], int64(binary.LittleEndian.Uint32(page))*pageSize); err != nil {
			return err
		}
	}
}

const (
	// Control is the device that hands out loop devices, and Major what they all are.
	Control   = "/dev/loop-control"
	Major     = 7
	loopTries = 20 // where others take devices at the same time
)

// Available tells why no file system can be mounted here, with the remedy, as far as
// that can be seen; nil: nothing speaks against it.
func Available() error {
	known, err := os.ReadFile("/proc/filesystems")
	if err == nil && !bytes.Contains(known, []byte("\text4\n")) {
		return errors.New("the kernel has no ext4: load the kernel module ext4 on the machine")
	}
	f, err := os.OpenFile(Control, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: load the kernel module loop on the machine", err)
	case err != nil:
		return fmt.Errorf("%w: a true file system needs loop devices, which are root's", err)
	}
	return f.Close()
}

// FS is a mounted file system.
type FS struct{ at string }

// Mount mounts the file system that is in a file. One that was not unmounted is
// recovered from its journal by the kernel. The node of a device that has none in /dev,
// where that cannot be changed, is made in the folder nodes.
func Mount(file, at, nodes string) (*FS, error) {
	loop, err := attach(file, nodes)
	if err != nil {
		return nil, fmt.Errorf("ext4: put %s on a loop device: %w", file, err)
	}
	defer loop.Close() // the mount keeps it
	if err := unix.Mount(loop.Name(), at, "ext4", unix.MS_NOATIME, "errors=remount-ro"); err != nil {
		return nil, fmt.Errorf("ext4: mount %s at %s: %w", file, at, err)
	}
	return &FS{at}, nil
}

// attach puts a file on a free loop device, which lets go of it when nobody uses it any
// more.
func attach(file, nodes string) (loop *os.File, err error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	for range loopTries {
		if loop, err = attachOnce(backing, nodes); !errors.Is(err, unix.EBUSY) {
			return loop, err
		}
	}
	return nil, err
}

func attachOnce(backing *os.File, nodes string) (*os.File, error) {
	c, err := os.OpenFile(Control, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	number, err := unix.IoctlRetInt(int(c.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Control, err)
	}
	loop, err := openDevice(number, nodes)
	if err != nil {
		return nil, err
	}
	config := unix.LoopConfig{Fd: uint32(backing.Fd()), Size: pageSize, Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	if err := unix.IoctlLoopConfigure(int(loop.Fd()), &config); err != nil {
		_ = loop.Close()
		return nil, fmt.Errorf("%s: %w", loop.Name(), err)
	}
	return loop, nil
}

// openDevice opens a loop device. Containers have no node of one that they were not given.
func openDevice(number int, nodes string) (*os.File, error) {
	device := fmt.Sprintf("/dev/loop%d", number)
	loop, err := os.OpenFile(device, os.O_RDWR, 0)
	if !errors.Is(err, os.ErrNotExist) {
		return loop, err
	}
	for _, dir := range []string{"/dev", nodes} {
		device = filepath.Join(dir, filepath.Base(device))
		if err = unix.Mknod(device, unix.S_IFBLK|0o600, int(unix.Mkdev(Major, uint32(number)))); err == nil || errors.Is(err, os.ErrExist) {
			if loop, err = os.OpenFile(device, os.O_RDWR, 0); err == nil {
				return loop, nil
			}
		}
	}
	return nil, fmt.Errorf("make and open a node of loop device %d: %w", number, err)
}

// Sync writes all that programs have written into the file.
func (f *FS) Sync() error {
	at, err := os.Open(f.at)
	if err != nil {
		return err
	}
	defer at.Close()
	if err := unix.Syncfs(int(at.Fd())); err != nil {
		return fmt.Errorf("ext4: sync %s: %w", f.at, err)
	}
	return nil
}

// Unmount takes it away, and returns when the kernel uses the file no more.
func (f *FS) Unmount() error {
	if err := unix.Unmount(f.at, 0); err != nil {
		return fmt.Errorf("ext4: unmount %s: %w", f.at, err)
	}
	return nil
}
