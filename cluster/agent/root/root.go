// Package root is what a node without an image sees of its machine: the system's
// programs, read-only; devices, processes, temporary folders and data of its
// own; and nothing else, be it a user's home, the engine's socket, or another
// node's data.
package root

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Root is a node's file system.
type Root struct {
	// Dir is an empty folder, in whose place the root is put together.
	Dir string
	// Own are the node's own folders, by their place in the node; it may write
	// there. Temp is among them, as a rule.
	Own map[string]string
	// Shown are folders and files of the machine besides the system's, which the
	// node sees in their own places, read-only.
	Shown []string
	// Devices are those that the node sees besides the usual ones: "fuse".
	Devices []string
	// Files are small files of the node's own, by their place: /etc/hosts.
	Files map[string]string
}

// Home is every user's home in a node, if it is among Own.
const Home = "/home"

// system are the folders with the system's programs and libraries. What is a
// link on the machine is one in the node. In none of them are secrets.
var system = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store", "/etc/alternatives"}

// topology is what servers look at to count processors and pages; a machine
// without it is none the worse.
var topology = []string{"/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm/transparent_hugepage"}

// copied are the files of /etc that programs need to start and to find their
// users. The rest of /etc is the machine's alone.
var copied = []string{"/etc/group", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/protocols", "/etc/services"}

var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// System tells whether a path is among the system's folders, which every node
// sees.
func System(path string) bool {
	return slices.ContainsFunc(system, func(dir string) bool { return Within(path, dir) })
}

// Within tells whether a clean path is dir or below it.
func Within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Enter makes r this process's root, and that of all it starts. The process has
// to be the first of its PID namespace and alone in its mount namespace, none of
// whose mounts is shared; what it has open stays open.
func (r Root) Enter() error {
	if err := r.build(); err != nil {
		return fmt.Errorf("make the node's file system: %w", err)
	}
	// The new root is put over the old one at the same place, see pivot_root(2).
	if err := os.Chdir(r.Dir); err != nil {
		return fmt.Errorf("enter the node's file system: %w", err)
	}
	if err := syscall.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("enter the node's file system: pivot_root: %w", err)
	}
	if err := syscall.Unmount(".", syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the machine's file system: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("enter the node's file system: %w", err)
	}
	return nil
}

// build puts everything in place.
func (r Root) build() error {
	if err := mount("tmpfs", r.Dir, "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	for _, step := range []func() error{r.addSystem, r.addOwn, r.addShown, r.addEtc, r.addDevices} {
		if err := step(); err != nil {
			return err
		}
	}
	// As long as the machine's own /proc is there, a user namespace may mount one.
	if err := r.mountNew("/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("%w: in a container, run it with its /proc unmasked (docker run --security-opt systempaths=unconfined)", err)
	}
	for _, path := range []string{r.in("/dev"), r.Dir} {
		if err := readOnly(path, false); err != nil {
			return err
		}
	}
	return nil
}

// in is where a path of the node is while its root is put together.
func (r Root) in(path string) string { return filepath.Join(r.Dir, path) }

func (r Root) addSystem() error {
	for _, path := range append(slices.Clone(system), topology...) {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			if err := os.Symlink(to, r.in(path)); err != nil {
				return err
			}
			continue
		}
		if err := r.show(path); err != nil && !slices.Contains(topology, path) {
			return err
		}
	}
	return nil
}

func (r Root) addOwn() error {
	for _, path := range []string{"/run", "/dev", "/dev/shm"} {
		mode := "mode=1777"
		if path == "/dev" {
			mode = "mode=0755"
		}
		if err := r.mountNew(path, "tmpfs", syscall.MS_NOSUID|flagsOf[path], mode); err != nil {
			return err
		}
	}
	// Parents first: /tmp before /tmp/x.
	places := make([]string, 0, len(r.Own))
	for place := range r.Own {
		places = append(places, place)
	}
	slices.Sort(places)
	for _, place := range places {
		if err := r.bind(r.Own[place], place); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(r.in("/var"), 0o755); err != nil {
		return err
	}
	for name, to := range map[string]string{"/var/run": "/run", "/var/lock": "/run", "/var/tmp": "/tmp"} {
		if err := os.Symlink(to, r.in(name)); err != nil {
			return err
		}
	}
	return nil
}

// flagsOf are the flags of the node's own tmpfs besides nosuid. On /dev devices
// are bound, whose mounts have their own.
var flagsOf = map[string]uintptr{"/run": syscall.MS_NODEV, "/dev/shm": syscall.MS_NODEV | syscall.MS_NOEXEC}

func (r Root) addShown() error {
	for _, path := range r.Shown {
		if System(path) {
			continue
		}
		if err := r.show(path); err != nil {
			return err
		}
	}
	return nil
}

func (r Root) addEtc() error {
	for _, path := range copied {
		if err := r.copyFile(path); err != nil {
			return err
		}
	}
	more, _ := filepath.Glob("/etc/ld.so.conf.d/*.conf") // the pattern is well-formed
	for _, path := range more {
		if err := r.copyFile(path); err != nil {
			return err
		}
	}
	users, err := os.ReadFile("/etc/passwd")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if err := r.write("/etc/passwd", []byte(withoutHomes(string(users)))); err != nil {
			return err
		}
	}
	for path, text := range r.Files {
		if err := r.write(path, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// withoutHomes is a user database in which every home is the node's, and nobody
// has more than an account's name.
func withoutHomes(passwd string) string {
	var b strings.Builder
	for line := range strings.Lines(passwd) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(fields) >= 6 {
			fields[4], fields[5] = "", Home
		}
		b.WriteString(strings.Join(fields, ":") + "\n")
	}
	return b.String()
}

func (r Root) addDevices() error {
	for _, name := range append(slices.Clone(devices), r.Devices...) {
		path := filepath.Join("/dev", name)
		if err := r.bind(path, path); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, r.in("/dev/"+name)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file of the machine, if it is there and everybody may read it.
func (r Root) copyFile(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.write(path, text)
}

func (r Root) write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(r.in(path)), 0o755); err != nil {
		return err
	}
	// The process's own umask may close it to the server's user.
	return errors.Join(os.WriteFile(r.in(path), text, 0o644), os.Chmod(r.in(path), 0o644))
}

// show binds a folder or file of the machine at its own place, read-only.
func (r Root) show(path string) error {
	if err := r.bind(path, path); err != nil {
		return err
	}
	return readOnly(r.in(path), true)
}

// bind shows what is at source at a place of the node.
func (r Root) bind(source, place string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	target := r.in(place)
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	return mount(source, target, "", syscall.MS_BIND|syscall.MS_REC, "")
}

func (r Root) mountNew(place, kind string, flags uintptr, data string) error {
	if err := os.MkdirAll(r.in(place), 0o755); err != nil {
		return err
	}
	return mount(kind, r.in(place), kind, flags, data)
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := syscall.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s at %s: %w", source, target, err)
	}
	return nil
}

// readOnly makes a mount read-only, and with all those below it.
func readOnly(path string, all bool) error {
	var flags uint = unix.AT_SYMLINK_NOFOLLOW
	if all {
		flags |= unix.AT_RECURSIVE
	}
	err := unix.MountSetattr(unix.AT_FDCWD, path, flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.12, where those below stay as they are
		err = remount(path)
	}
	if err != nil {
		return fmt.Errorf("make %s read-only: %w", path, err)
	}
	return nil
}

// remount is readOnly of old kernels. The flags that the mount has have to be
// given again: in a user namespace none of them may be taken away.
func remount(path string) error {
	var has unix.Statfs_t
	if err := unix.Statfs(path, &has); err != nil {
		return err
	}
	flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY)
	for _, f := range []struct{ has, set uintptr }{
		{unix.ST_NOSUID, unix.MS_NOSUID}, {unix.ST_NODEV, unix.MS_NODEV}, {unix.ST_NOEXEC, unix.MS_NOEXEC},
		{unix.ST_NOATIME, unix.MS_NOATIME}, {unix.ST_NODIRATIME, unix.MS_NODIRATIME}, {unix.ST_RELATIME, unix.MS_RELATIME},
	} {
		if uintptr(has.Flags)&f.has != 0 {
			flags |= f.set
		}
	}
	return syscall.Mount("", path, "", flags, "")
}
