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
	return append(found, containers(dir, false)...)
}

// containers lists the containers of runs whose lock file is in dir: the
// running ones, or all.
func containers(dir string, all bool) []string {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return nil
	}
	defer c.Close()
	list, err := c.ContainerList(context.Background(), client.ContainerListOptions{All: all})
	if err != nil {
		return nil // no engine, and so no container
	}
	var found []string
	for _, container := range list.Items {
		if strings.HasPrefix(container.Labels["aftershock.lock"], dir) {
			found = append(found, "container "+container.ID[:12])
		}
	}
	return found
}

// engineThings lists every container and network of runs whose lock file is in dir.
func engineThings(dir string) []string {
	found := containers(dir, true)
	c, err := client.New(client.FromEnv)
	if err != nil {
		return found
	}
	defer c.Close()
	networks, err := c.NetworkList(context.Background(), client.NetworkListOptions{})
	if err != nil {
		return found
	}
	for _, n := range networks.Items {
		if strings.HasPrefix(n.Labels["aftershock.lock"], dir) {
			found = append(found, "network "+n.Name)
		}
	}
	return found
}

// remains lists all that is left of the programs in dir: processes, things of the
// engine, and temporary directories in temp.
func remains(dir, temp string) []string {
	dirs, _ := filepath.Glob(filepath.Join(temp, "aftershock-??????????????????????????"))
	return append(append(alive(dir), engineThings(dir)...), dirs...)
}

func asExit(err error, exit **exec.ExitError) bool { return errors.As(err, exit) }
