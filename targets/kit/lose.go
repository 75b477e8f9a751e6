package kit

import "golang.org/x/sys/unix"

// CanLose tells whether a folder is on a volume that a fault can make lose what was
// not synced (target.disk). What is made there to be found by a server later has to
// be synced; elsewhere that would only take time.
func CanLose(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.FUSE_SUPER_MAGIC
}
