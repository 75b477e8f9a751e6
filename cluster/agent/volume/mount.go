package volume

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/undo"
)

// largestWrite is the most that one call writes.
const largestWrite = 1 << 20

// disk is a mounted volume.
type disk struct {
	store *undo.Store
	sick  sick
	at    string // where it is mounted
	fuse  *fuse.Server
	root  *node

	mu   sync.Mutex
	open map[closer]bool // what the kernel has not released
}

// closer is a handle of the kernel's.
type closer interface{ close() }

// opened notes a handle, which released forgets.
func (d *disk) opened(c closer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[c] = true
}

func (d *disk) released(c closer) {
	d.mu.Lock()
	delete(d.open, c)
	d.mu.Unlock()
	c.close()
}

// mount puts the volume into place.
func (d *disk) mount() error {
	var st syscall.Stat_t
	if err := syscall.Stat(d.store.Root(), &st); err != nil {
		return err
	}
	root := &fs.LoopbackRoot{Path: d.store.Root(), Dev: uint64(st.Dev)}
	//lint:ignore SA1019 its successor, WrapChild, is given nodes by pointer, and ours have theirs inside
	root.NewNode = func(r *fs.LoopbackRoot, _ *fs.Inode, _ string, _ *syscall.Stat_t) fs.InodeEmbedder {
		return &node{LoopbackNode: fs.LoopbackNode{RootData: r}, d: d}
	}
	d.root = &node{LoopbackNode: fs.LoopbackNode{RootData: root}, d: d}
	root.RootNode = d.root
	ever := time.Hour // nobody else changes what is below
	server, err := fs.Mount(d.at, d.root, &fs.Options{
		EntryTimeout: &ever, AttrTimeout: &ever, NegativeTimeout: &ever, NullPermissions: true,
		MountOptions: fuse.MountOptions{
			AllowOther: true, DirectMountStrict: true, FsName: "aftershock", Name: "aftershock",
			Options: []string{"default_permissions"}, MaxWrite: largestWrite, DisableXAttrs: true,
		},
	})
	if err != nil {
		return fmt.Errorf("mount the volume at %s: %w", d.at, err)
	}
	d.fuse = server
	return nil
}

// unmount takes it away, whoever uses it: what waits for an answer fails. Without
// force that would wait for those who use it, with it the kernel does not.
func (d *disk) unmount() error {
	if d.fuse == nil {
		return nil
	}
	if err := syscall.Unmount(d.at, syscall.MNT_FORCE|syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the volume at %s: %w", d.at, err)
	}
	d.store.Free()
	d.sick.end()
	d.fuse.Wait()
	d.mu.Lock()
	left := d.open
	d.open = map[closer]bool{}
	d.mu.Unlock()
	for c := range left { // a file system that is taken away by force is told of no release
		c.close()
	}
	d.fuse, d.root = nil, nil
	return nil
}
