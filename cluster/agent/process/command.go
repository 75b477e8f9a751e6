package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// defaultPath is searched where neither the server nor the image sets PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// self is the agent's own binary; it works even where the file has no name in
// the node.
const self = "/proc/self/exe"

// command is a ServerSpec made ready to be executed.
type command struct {
	path       string
	argv       []string
	env        []string
	dir        string
	attributes *syscall.SysProcAttr
	files      [3]uintptr
}

// prepare resolves spec in this node: its user, its binary, its environment.
// It makes the data directory and gives it to the user.
func prepare(spec cluster.ServerSpec, dataDir string, in place) (command, error) {
	if len(spec.Command) == 0 {
		return command{}, errors.New("the server's command is empty: name the binary and its arguments")
	}
	who, err := in.lookupUser(spec.User)
	if err != nil {
		return command{}, err
	}
	cmd := command{dir: expand(spec.Dir, dataDir), attributes: who.attributes()}
	cmd.attributes.Chroot = in.dir
	if cmd.dir == "" {
		cmd.dir = dataDir
	}
	for _, arg := range spec.Command {
		cmd.argv = append(cmd.argv, expand(arg, dataDir))
	}
	env := environment(in.env, who, spec.Env, dataDir)
	for name, value := range env {
		cmd.env = append(cmd.env, name+"="+value)
	}
	sort.Strings(cmd.env)
	if err := makeDataDir(dataDir, who); err != nil {
		return command{}, fmt.Errorf("make the data directory: %w", err)
	}
	if cmd.path, err = findExecutable(cmd.argv[0], cmd.dir, env["PATH"], in.dir); err != nil {
		return command{}, err
	}
	return cmd, nil
}

func expand(s, dataDir string) string { return strings.ReplaceAll(s, cluster.DataDir, dataDir) }

// environment is the agent's own (the image's) without the AFTERSHOCK_ variables,
// then the user's, then the spec's.
func environment(base []string, who account, extra map[string]string, dataDir string) map[string]string {
	env := map[string]string{"PATH": defaultPath}
	for _, kv := range base {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "AFTERSHOCK_") {
			env[name] = value
		}
	}
	if who.specified {
		if who.home != "" {
			env["HOME"] = who.home
		}
		if who.name != "" {
			env["USER"] = who.name
		}
	}
	for name, value := range extra {
		env[name] = expand(value, dataDir)
	}
	return env
}

// findExecutable resolves argv[0] as a shell would in the file system below root, and Self
// to the agent.
func findExecutable(name, dir, path, root string) (string, error) {
	if name == cluster.Self {
		return self, nil
	}
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if err := executable(root + name); err != nil {
			return "", fmt.Errorf("exec %s: %w: install it in the node's image, or correct the path", name, err)
		}
		return name, nil
	}
	var denied error
	for _, d := range filepath.SplitList(path) {
		if d == "" {
			d = "."
		}
		candidate := filepath.Join(d, name)
		switch err := executable(root + candidate); {
		case err == nil:
			return candidate, nil
		case errors.Is(err, errMode):
			denied = err
		}
	}
	if denied != nil {
		return "", fmt.Errorf("exec %s: found in PATH, but it cannot be executed: %w: set it with chmod +x", name, denied)
	}
	return "", fmt.Errorf("exec %s: not found in PATH (%s): install it in the node, or give its absolute path", name, path)
}

// errMode tells a file that is there from one that cannot be seen.
var errMode = fmt.Errorf("%w: no execute permission", fs.ErrPermission)

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory", path)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s: %w", path, errMode)
	}
	return nil
}

// explainExec adds the remedy to an errno of fork and exec.
func explainExec(cmd command, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, syscall.ENOENT):
		remedy = ": the file, its interpreter or the working directory " + cmd.dir + " does not exist"
	case errors.Is(err, syscall.ENOEXEC):
		remedy = ": it is no program for this machine; a script needs a first line such as #!/bin/sh"
	case errors.Is(err, syscall.EACCES):
		remedy = ": the server's user may not execute it or enter the working directory " + cmd.dir
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EINVAL):
		if c := cmd.attributes.Credential; c != nil {
			remedy = fmt.Sprintf(": the node cannot switch to user %d; on the local host run as root, or leave the user empty", c.Uid)
		} else if cmd.attributes.Cloneflags != 0 {
			remedy = ": the server's own user needs a user namespace within the node's; on the local host run as root"
		}
	}
	return fmt.Errorf("exec %s: %w%s", cmd.path, err, remedy)
}
