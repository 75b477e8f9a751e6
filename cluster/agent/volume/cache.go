package volume

import "github.com/hanwen/go-fuse/v2/fs"

// forgetCache makes the kernel forget what it has read of files that match a
// pattern, so that it asks again. What is dirty in it stays.
func (d *disk) forgetCache(pattern string) {
	if d.root == nil {
		return
	}
	var below func(i *fs.Inode)
	below = func(i *fs.Inode) {
		for _, child := range i.Children() {
			if child.IsDir() {
				below(child)
				continue
			}
			if matches(pattern, child.Path(d.root.EmbeddedInode())) {
				_ = child.NotifyContent(0, 0) // what it has not read it need not forget
			}
		}
	}
	below(d.root.EmbeddedInode())
}
