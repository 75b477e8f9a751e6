package volume

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// node is a file or a directory.
type node struct {
	fs.LoopbackNode
	d *disk
}

// path is where it is in the backing folder.
func (n *node) path() string { return filepath.Join(n.d.store.Root(), n.Path(n.Root())) }

// relative is its path in the volume, with which faults are asked for.
func (n *node) relative() string { return n.Path(n.Root()) }

// enter begins an operation on a path of the volume: a fault may hold it up, or
// fail it. leave has to be called if errno is 0.
func (d *disk) enter(op, path string) syscall.Errno {
	if errno := d.sick.meet(op, path); errno != 0 {
		return errno
	}
	if !d.store.Enter() {
		return syscall.EIO
	}
	return 0
}

func (d *disk) leave() { d.store.Leave() }

// notOurs are flags of an open file that the kernel keeps by itself.
const notOurs = unix.O_APPEND | unix.O_TRUNC | unix.O_CREAT | unix.O_EXCL | unix.O_DIRECT | fuse.FMODE_EXEC

// Open opens a file. Where its name was given to another meanwhile, the kernel is
// told to look again.
func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.d.enter(opOther, n.relative()); errno != 0 {
		return nil, 0, errno
	}
	defer n.d.leave()
	f, err := os.OpenFile(n.path(), int(flags&^notOurs)|unix.O_NOFOLLOW, 0)
	if os.IsNotExist(err) {
		return nil, 0, syscall.ESTALE
	}
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	h, errno := n.handle(f, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	if flags&unix.O_TRUNC != 0 {
		if err := h.st.Truncate(int(f.Fd()), 0); err != nil {
			n.d.released(h)
			return nil, 0, fs.ToErrno(err)
		}
	}
	return h, 0, 0
}

// Create makes a file, or opens the one that somebody else has just made.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	path := filepath.Join(n.path(), name)
	if errno := n.d.enter(opWrite, filepath.Join(n.relative(), name)); errno != 0 {
		return nil, nil, 0, errno
	}
	defer n.d.leave()
	var f *os.File
	err := n.d.store.Made(n.path(), name, func() (err error) {
		f, err = os.OpenFile(path, int(flags&^(notOurs&^unix.O_EXCL))|os.O_CREATE|unix.O_NOFOLLOW, os.FileMode(mode&0o777))
		if err == nil {
			n.own(ctx, path)
		}
		return err
	})
	if err != nil {
		return nil, nil, 0, fs.ToErrno(err)
	}
	child, errno := n.Lookup(ctx, name, out)
	if errno != 0 {
		_ = f.Close()
		return nil, nil, 0, errno
	}
	h, errno := child.Operations().(*node).handle(f, flags)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	h.path = filepath.Join(n.relative(), name) // it is not in the tree yet
	if flags&unix.O_TRUNC != 0 {
		if err := h.st.Truncate(int(f.Fd()), 0); err != nil {
			n.d.released(h)
			return nil, nil, 0, fs.ToErrno(err)
		}
	}
	return child, h, 0, 0
}

// own gives what was just made to who asked for it.
func (n *node) own(ctx context.Context, path string) {
	if caller, ok := fuse.FromContext(ctx); ok && os.Geteuid() == 0 {
		_ = os.Lchown(path, int(caller.Uid), int(caller.Gid)) // a user who is not in the node's namespace stays root
	}
}

// made makes a name by another operation.
func (n *node) made(name string, do func() syscall.Errno) syscall.Errno {
	if errno := n.d.enter(opWrite, filepath.Join(n.relative(), name)); errno != 0 {
		return errno
	}
	defer n.d.leave()
	return fs.ToErrno(n.d.store.Made(n.path(), name, func() error {
		if errno := do(); errno != 0 {
			return errno
		}
		return nil
	}))
}

// Mkdir implements fs.NodeMkdirer.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.made(name, func() (errno syscall.Errno) {
		child, errno = n.LoopbackNode.Mkdir(ctx, name, mode, out)
		return errno
	})
	return child, errno
}

// Mknod implements fs.NodeMknoder: sockets and pipes.
func (n *node) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.made(name, func() (errno syscall.Errno) {
		child, errno = n.LoopbackNode.Mknod(ctx, name, mode, dev, out)
		return errno
	})
	return child, errno
}

// Symlink implements fs.NodeSymlinker.
func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.made(name, func() (errno syscall.Errno) {
		child, errno = n.LoopbackNode.Symlink(ctx, target, name, out)
		return errno
	})
	return child, errno
}

// Link implements fs.NodeLinker.
func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	to, ok := target.(*node)
	if !ok {
		return nil, syscall.EXDEV
	}
	errno = n.made(name, func() (errno syscall.Errno) {
		child, errno = n.LoopbackNode.Link(ctx, &to.LoopbackNode, name, out)
		return errno
	})
	return child, errno
}

// Unlink implements fs.NodeUnlinker.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno { return n.remove(name, false) }

// Rmdir implements fs.NodeRmdirer.
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno { return n.remove(name, true) }

func (n *node) remove(name string, dir bool) syscall.Errno {
	if errno := n.d.enter(opWrite, filepath.Join(n.relative(), name)); errno != 0 {
		return errno
	}
	defer n.d.leave()
	return fs.ToErrno(n.d.store.Remove(n.path(), name, dir))
}

// Rename implements fs.NodeRenamer.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	target, ok := to.(*node)
	if !ok {
		return syscall.EXDEV
	}
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL // as file systems do that cannot exchange
	}
	if errno := n.d.enter(opWrite, filepath.Join(target.relative(), newName)); errno != 0 {
		return errno
	}
	defer n.d.leave()
	return fs.ToErrno(n.d.store.Rename(n.path(), name, target.path(), newName, flags == 0))
}

// Getattr implements fs.NodeGetattrer.
func (n *node) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if !n.d.store.Enter() {
		return syscall.EIO
	}
	defer n.d.leave()
	if h, ok := f.(*handle); ok {
		return h.attributes(out)
	}
	errno := n.LoopbackNode.Getattr(ctx, nil, out)
	out.Nlink = uint32(n.d.store.Links(out.Ino, uint64(out.Nlink)))
	return errno
}

// Setattr implements fs.NodeSetattrer. Only the size can be lost.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := n.d.enter(opWrite, n.relative()); errno != 0 {
		return errno
	}
	defer n.d.leave()
	h, _ := f.(*handle)
	if size, ok := in.GetSize(); ok {
		if errno := n.resize(h, int64(size)); errno != 0 {
			return errno
		}
		in.Valid &^= fuse.FATTR_SIZE
	}
	const others = fuse.FATTR_MODE | fuse.FATTR_UID | fuse.FATTR_GID | fuse.FATTR_ATIME | fuse.FATTR_MTIME
	if h != nil && in.Valid&others == 0 {
		return h.attributes(out)
	}
	return n.LoopbackNode.Setattr(ctx, nil, in, out)
}

func (n *node) resize(h *handle, size int64) syscall.Errno {
	if h == nil {
		f, err := os.OpenFile(n.path(), os.O_WRONLY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return fs.ToErrno(err)
		}
		var errno syscall.Errno
		if h, errno = n.handle(f, 0); errno != 0 {
			return errno
		}
		defer n.d.released(h)
	}
	return fs.ToErrno(h.st.Truncate(int(h.f.Fd()), size))
}

// CopyFileRange is none: the kernel copies by reading and writing.
func (n *node) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.ENOSYS
}

// Fsync implements fs.NodeFsyncer.
func (n *node) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	if h, ok := f.(*handle); ok {
		return h.Fsync(ctx, flags)
	}
	return n.syncDir()
}

func (n *node) syncDir() syscall.Errno {
	if errno := n.d.enter(opSync, n.relative()); errno != 0 {
		return errno
	}
	defer n.d.leave()
	return fs.ToErrno(n.d.store.SyncDir(n.path()))
}

// OpendirHandle makes the sync of a directory ours, which the kernel asks of the
// directory's handle.
func (n *node) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	stream, errno := fs.NewLoopbackDirStream(n.path())
	if errno != 0 {
		return nil, 0, errno
	}
	all, ok := stream.(dirStream)
	if !ok {
		stream.Close()
		return nil, 0, syscall.ENOSYS
	}
	h := &dirHandle{all, n}
	n.d.opened(h)
	return h, 0, 0
}

// dirStream is what a directory's handle has to do.
type dirStream interface {
	fs.FileReaddirenter
	fs.FileReleasedirer
	fs.FileSeekdirer
}

type dirHandle struct {
	dirStream
	n *node
}

func (d *dirHandle) close() { d.dirStream.Releasedir(context.Background(), 0) }

// Releasedir implements fs.FileReleasedirer.
func (d *dirHandle) Releasedir(context.Context, uint32) { d.n.d.released(d) }

// Fsyncdir implements fs.FileFsyncdirer.
func (d *dirHandle) Fsyncdir(context.Context, uint32) syscall.Errno { return d.n.syncDir() }
