package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Available tells whether this machine can make a sandbox here and now; its
// error wraps cluster.ErrUnavailable and names the remedy. It tries: a process
// is forked into the namespaces of a sandbox, made to use its rights there, and
// ends at the execution of a file that does not exist.
func Available(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if InSandbox() {
		return nil
	}
	attr := sandboxAttr()
	// The mount namespace is made by the child itself, after which Go's runtime
	// makes its mounts private, and chroot needs a right as well: a kernel that
	// grants user namespaces without any rights in them is found out.
	attr.Cloneflags &^= syscall.CLONE_NEWNS
	attr.Unshareflags = syscall.CLONE_NEWNS
	attr.Chroot = "/"
	const nowhere = "/proc/self/aftershock-does-not-exist"
	_, err := syscall.ForkExec(nowhere, []string{nowhere}, &syscall.ProcAttr{Sys: attr, Env: []string{}, Files: []uintptr{}})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return fmt.Errorf("%w: make a sandbox of Linux namespaces: %w", cluster.ErrUnavailable, explainNamespaces(err))
}

// explainNamespaces names the remedy of an error of clone(2).
func explainNamespaces(err error) error {
	if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EACCES) {
		return err
	}
	if privileged() {
		return fmt.Errorf("%w: in a container, run it with --privileged", err)
	}
	if setting := UserNamespacesOff(); setting != "" {
		return fmt.Errorf("%w: unprivileged user namespaces are switched off; run as root, or allow them: %s", err, setting)
	}
	return fmt.Errorf("%w: unprivileged user namespaces are not permitted here; run as root, and in a container with --privileged", err)
}

// UserNamespacesOff returns the command that lets ordinary users make user
// namespaces, if a setting of this kernel forbids it; else "".
func UserNamespacesOff() string {
	for _, setting := range []struct{ file, bad, remedy string }{
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"},
	} {
		if text, err := os.ReadFile(setting.file); err == nil && strings.TrimSpace(string(text)) == setting.bad {
			return setting.remedy
		}
	}
	return ""
}
