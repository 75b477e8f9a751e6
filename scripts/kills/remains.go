package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/vishvananda/netlink"
)

// remains finds what is there of the runs of the program in dir, and of nobody
// else's: others may use the machine and its engine at the same time.
type remains struct {
	dir     string
	bridges []string // interfaces of the networks that were seen
	cables  []string // and what was attached to them
}

// look remembers what the run has now that bears no name of its own.
func (r *remains) look(ctx context.Context) {
	r.things(ctx)
	links, err := netlink.LinkList()
	if err != nil {
		return
	}
	bridges := map[int]bool{}
	for _, l := range links {
		if slices.Contains(r.bridges, l.Attrs().Name) {
			bridges[l.Attrs().Index] = true
		}
	}
	for _, l := range links {
		if bridges[l.Attrs().MasterIndex] {
			r.cables = append(r.cables, l.Attrs().Name)
		}
	}
}

// list is what there is now.
func (r *remains) list(ctx context.Context) []string {
	found := append(r.processes(), r.things(ctx)...)
	dirs, _ := filepath.Glob(filepath.Join(r.dir, "aftershock-*"))
	found = append(append(found, dirs...), r.mounts()...)
	if links, err := netlink.LinkList(); err == nil {
		for _, l := range links {
			if name := l.Attrs().Name; slices.Contains(r.bridges, name) || slices.Contains(r.cables, name) {
				found = append(found, "interface "+name)
			}
		}
	}
	if len(found) > 0 || len(r.bridges) == 0 {
		return found // rules are asked for last: it takes two processes
	}
	return r.rules(ctx)
}

// mounts are those of the run's folders in this namespace, and the loop devices of volumes.
func (r *remains) mounts() []string {
	var found []string
	table, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, r.dir+"/") {
			found = append(found, "mount "+strings.TrimSpace(line))
		}
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, loop := range loops {
		if file, _ := os.ReadFile(loop); strings.Contains(string(file), "-volume/below/") {
			found = append(found, "loop device of "+strings.TrimSpace(string(file)))
		}
	}
	return found
}

// processes are those that execute the program, a node's server included.
func (r *remains) processes() []string {
	var found []string
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range entries {
		exe, _ := os.Readlink(filepath.Join(proc, "exe"))
		cwd, _ := os.Readlink(filepath.Join(proc, "cwd"))
		if strings.HasPrefix(exe, r.dir+"/") || strings.HasPrefix(cwd, r.dir+"/") {
			command, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
			found = append(found, "process "+filepath.Base(proc)+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
}

// things are the engine's containers, running or not, and networks.
func (r *remains) things(ctx context.Context) []string {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return nil
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	own := func(labels map[string]string) bool { return strings.HasPrefix(labels["aftershock.lock"], r.dir+"/") }
	var found []string
	if list, err := c.ContainerList(ctx, client.ContainerListOptions{All: true}); err == nil {
		for _, i := range list.Items {
			if own(i.Labels) {
				found = append(found, "container "+strings.Join(i.Names, " ")+" "+string(i.State))
			}
		}
	}
	if list, err := c.NetworkList(ctx, client.NetworkListOptions{}); err == nil {
		for _, i := range list.Items {
			if !own(i.Labels) {
				continue
			}
			found = append(found, "network "+i.Name)
			if name := "br-" + i.ID[:12]; !slices.Contains(r.bridges, name) {
				r.bridges = append(r.bridges, name)
			}
		}
	}
	return found
}

// rules are those of the firewall that name the run's bridges.
func (r *remains) rules(ctx context.Context) []string {
	var found []string
	for _, command := range [][]string{{"iptables-save"}, {"nft", "list", "ruleset"}} {
		output, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
		if err != nil {
			continue // it is not here, or has no rules
		}
		for line := range strings.Lines(string(output)) {
			if slices.ContainsFunc(r.bridges, func(name string) bool { return strings.Contains(line, name) }) {
				found = append(found, command[0]+": "+strings.TrimSpace(line))
			}
		}
	}
	return found
}
