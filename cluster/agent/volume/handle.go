package volume

import (
	"context"
	"os"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/undo"
)

// handle is an open file.
type handle struct {
	d      *disk
	f      *os.File
	st     *undo.File
	path   string // in the volume, when it was opened
	synced bool   // O_SYNC or O_DSYNC
	once   sync.Once
}

// handle takes f over, which is closed on an error.
func (n *node) handle(f *os.File, flags uint32) (*handle, syscall.Errno) {
	st, err := n.d.store.Use(int(f.Fd()))
	if err != nil {
		_ = f.Close()
		return nil, fs.ToErrno(err)
	}
	h := &handle{d: n.d, f: f, st: st, path: n.relative(), synced: flags&(unix.O_SYNC|unix.O_DSYNC) != 0}
	n.d.opened(h)
	return h, 0
}

func (h *handle) close() {
	h.once.Do(func() {
		h.d.store.Done(h.st)
		_ = h.f.Close()
	})
}

// Read implements fs.FileReader.
func (h *handle) Read(_ context.Context, buf []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if errno := h.d.enter(opRead, h.path); errno != 0 {
		return nil, errno
	}
	defer h.d.leave()
	n, err := unix.Pread(int(h.f.Fd()), buf, off)
	if err != nil {
		return nil, fs.ToErrno(err)
	}
	return fuse.ReadResultData(buf[:n]), 0
}

// Write implements fs.FileWriter.
func (h *handle) Write(_ context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if errno := h.d.enter(opWrite, h.path); errno != 0 {
		return 0, errno
	}
	n, err := h.st.Write(int(h.f.Fd()), data, off)
	h.d.leave()
	if err == nil && h.synced {
		if errno := h.sync(); errno != 0 {
			return 0, errno
		}
	}
	return uint32(max(n, 0)), fs.ToErrno(err)
}

// Fsync implements fs.FileFsyncer.
func (h *handle) Fsync(context.Context, uint32) syscall.Errno { return h.sync() }

func (h *handle) sync() syscall.Errno {
	failed := h.d.sick.meet(opSync, h.path)
	on, err := h.st.Sync(failed != 0)
	if !on {
		return syscall.EIO // whoever waits for it is dead
	}
	if failed != 0 {
		return failed
	}
	return fs.ToErrno(err)
}

// Allocate implements fs.FileAllocater.
func (h *handle) Allocate(_ context.Context, off, size uint64, mode uint32) syscall.Errno {
	if errno := h.d.enter(opWrite, h.path); errno != 0 {
		return errno
	}
	defer h.d.leave()
	return fs.ToErrno(h.st.Allocate(int(h.f.Fd()), mode, int64(off), int64(size)))
}

// Getattr implements fs.FileGetattrer.
func (h *handle) Getattr(_ context.Context, out *fuse.AttrOut) syscall.Errno {
	return h.attributes(out)
}

func (h *handle) attributes(out *fuse.AttrOut) syscall.Errno {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(h.f.Fd()), &st); err != nil {
		return fs.ToErrno(err)
	}
	out.FromStat(&st)
	out.Nlink = uint32(h.d.store.Links(st.Ino, uint64(st.Nlink)))
	return 0
}

// Lseek implements fs.FileLseeker: holes and data.
func (h *handle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	n, err := unix.Seek(int(h.f.Fd()), int64(off), int(whence))
	return uint64(n), fs.ToErrno(err)
}

// Flush implements fs.FileFlusher: a close writes nothing.
func (h *handle) Flush(context.Context) syscall.Errno { return 0 }

// Release implements fs.FileReleaser.
func (h *handle) Release(context.Context) syscall.Errno { h.d.released(h); return 0 }
