package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"
)

// alive lists the live processes that execute a file in dir, and the running
// containers of runs whose lock file is in dir.
func alive(dir string) []string {
	var found []string
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range entries {
		exe, _ := os.Readlink(filepath.Join(proc, "exe"))
		if strings.HasPrefix(exe, dir+string(filepath.Separator)) {
			command, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
			found = append(found, filepath.Base(proc)+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return append(found, containers(dir)...)
}

func containers(dir string) []string {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return nil
	}
	defer c.Close()
	running, err := c.ContainerList(context.Background(), client.ContainerListOptions{})
	if err != nil {
		return nil // no engine, and so no container
	}
	var found []string
	for _, container := range running.Items {
		if strings.HasPrefix(container.Labels["aftershock.lock"], dir) {
			found = append(found, container.ID[:12])
		}
	}
	return found
}

func asExit(err error, exit **exec.ExitError) bool { return errors.As(err, exit) }
