package kit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// ServeCommand is the name of the aftershock command that runs a target's
// Launch in a node.
const ServeCommand = "serve-target"

// Serve is the command of a node whose target is a targets.Launcher.
func Serve(target string, args ...string) []string {
	return append([]string{cluster.Self, ServeCommand, target}, args...)
}

// ErrNotInstalled is wrapped by Find's error.
var ErrNotInstalled = errors.New("not installed")

// Find finds a server's program on this machine or in this node: in the PATH,
// beside the aftershock binary, then in the patterns of s.Search, where the
// last match in order of natural numbers wins (/usr/lib/postgresql/17 over 15).
func Find(s targets.Server) (string, error) {
	if path, err := exec.LookPath(s.Program); err == nil {
		return path, nil
	}
	var found []string
	if self, err := os.Executable(); err == nil {
		found = append(found, filepath.Join(filepath.Dir(self), s.Program))
	}
	for i := len(s.Search) - 1; i >= 0; i-- {
		matches, err := filepath.Glob(s.Search[i])
		if err != nil {
			return "", fmt.Errorf("find %s: pattern %q: %w", s.Program, s.Search[i], err)
		}
		sortNatural(matches)
		found = append(found, matches...)
	}
	for i := len(found) - 1; i >= 0; i-- {
		if info, err := os.Stat(found[i]); err == nil && !info.IsDir() && (s.Library || info.Mode()&0o111 != 0) {
			return found[i], nil
		}
	}
	return "", fmt.Errorf("%s: %w: neither in the PATH nor beside the aftershock binary nor in %v: %s", s.Program, ErrNotInstalled, s.Search, s.Install)
}

// Exec replaces this process by a program; it returns only on failure.
// The program gets this process's environment.
func Exec(path string, args ...string) error {
	err := syscall.Exec(path, append([]string{path}, args...), os.Environ())
	return fmt.Errorf("exec %s: %w", path, err)
}

// Tool runs a program to its end in this node, its output going to this
// process's standard error, and so to the node's log.
func Tool(path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", filepath.Base(path), err)
	}
	return nil
}
