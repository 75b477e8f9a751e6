package kit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CanLose tells whether a folder is on a volume that a fault can make lose what was
// not synced (target.disk). What is made there to be found by a server later has to
// be synced; elsewhere that would only take time.
func CanLose(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.FUSE_SUPER_MAGIC
}

// Settle syncs all that is in a folder if it can be lost: what a node is set up with
// counts as made long ago, though the tools that made it did not sync it.
func Settle(dir string) error {
	if !CanLose(dir) {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() && !e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
