package local

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/root"
)

// nodeDir is a node's own folder, as the node sees it.
const nodeDir = "/node"

// view is what all nodes of a cluster see of this machine.
type view struct {
	shown []string // besides the system's folders
	path  string   // PATH
}

// systemPath is searched after what the user's PATH has of the node's folders.
var systemPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// viewOf shows the nodes the programs that they run. The PATH has the user's
// order, so that a node finds the program that was found outside.
func viewOf(programs []string, userPath string) view {
	var v view
	show := func(path string) {
		if !root.System(path) && !slices.Contains(v.shown, path) {
			v.shown = append(v.shown, path)
		}
	}
	for _, program := range programs {
		for _, path := range []string{program, resolved(program)} {
			for _, part := range partsOf(path) {
				show(part)
			}
		}
	}
	var folders []string
	add := func(dir string) {
		if filepath.IsAbs(dir) && !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
	}
	for _, dir := range filepath.SplitList(userPath) {
		if dir = filepath.Clean(dir); root.System(dir) || slices.ContainsFunc(v.shown, func(path string) bool { return root.Within(path, dir) || root.Within(dir, path) }) {
			add(dir)
		}
	}
	for _, program := range programs {
		// One that was found elsewhere, beside the aftershock binary, is found here.
		if !root.System(program) {
			add(filepath.Dir(program))
		}
	}
	for _, dir := range systemPath {
		add(dir)
	}
	v.path = strings.Join(folders, string(filepath.ListSeparator))
	return v
}

// partsOf are the folders that a program outside of the system's needs: its own,
// and its libraries and data where they lie beside that in the usual places. A
// program in a folder that holds what is not its own has its file alone.
func partsOf(program string) []string {
	dir := filepath.Dir(program)
	if root.System(dir) {
		return nil
	}
	prefix := filepath.Dir(dir)
	if personal(dir) {
		return []string{program}
	}
	parts := []string{dir}
	if name := filepath.Base(dir); name != "bin" && name != "sbin" || personal(prefix) || strings.HasPrefix(filepath.Base(prefix), ".") {
		return parts
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64", "libexec", "share", "escript", "plugins", "ebin"} {
		beside := filepath.Join(prefix, name)
		if info, err := os.Lstat(beside); err == nil && info.IsDir() && beside != dir {
			parts = append(parts, beside)
		}
	}
	return parts
}

// personal tells whether a folder is one that programs share with what is
// nobody's business: a home, the root, a temporary folder.
func personal(dir string) bool {
	home, _ := os.UserHomeDir() // none is like no folder
	shared := []string{"/", "/root", "/home", "/tmp", "/var/tmp", "/opt", "/srv", "/mnt", "/etc", "/var", "/run", resolved(os.TempDir()), home}
	return slices.Contains(shared, dir) || filepath.Dir(dir) == "/home"
}

// resolved is where the links of a path lead.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// environment is all of the environment that a node's processes have: nothing of
// the user's, whose variables would set up servers and drivers behind the plan's
// back.
func (v view) environment() []string {
	return []string{"PATH=" + v.path, "HOME=" + root.Home, "TMPDIR=/tmp", "LANG=C.UTF-8", "TZ=UTC"}
}

// root makes node i's own folders and says what it sees.
func (v view) root(m *member, spec cluster.Spec) (*root.Root, error) {
	r := &root.Root{Dir: filepath.Join(m.dir, "root"), Shown: v.shown, Own: map[string]string{}, Files: map[string]string{
		"/etc/hosts": hosts(spec.Nodes), "/etc/hostname": m.name + "\n", "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
	}}
	if err := os.Mkdir(r.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the node's folders: %w", err)
	}
	for place, mode := range map[string]os.FileMode{nodeDir: 0o755, "/tmp": 0o777 | os.ModeSticky, root.Home: 0o777 | os.ModeSticky} {
		own := filepath.Join(m.dir, "own", filepath.Base(place))
		if err := os.MkdirAll(own, 0o755); err != nil {
			return nil, fmt.Errorf("make the node's folders: %w", err)
		}
		if err := os.Chmod(own, mode); err != nil {
			return nil, fmt.Errorf("make the node's folders: %w", err)
		}
		r.Own[place] = own
	}
	return r, nil
}

// hosts is the nodes' /etc/hosts.
func hosts(nodes []cluster.NodeSpec) string {
	text := "127.0.0.1 localhost\n::1 localhost\n"
	for i, n := range nodes {
		text += fmt.Sprintf("%s %s\n", net.IP(nodeIP(i)), n.Name)
	}
	return text
}
