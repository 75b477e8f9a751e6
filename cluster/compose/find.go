package compose

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// key is by what a node's container is known, also one that takes its place.
type key struct {
	project, service, number string
	name                     string
	id                       string
}

// fits tells whether a container of these labels is the one.
func (k key) fits(id, name string, labels map[string]string) bool {
	switch {
	case k.id != "":
		return k.id == id
	case k.name != "":
		return k.name == name
	}
	return labels[labelProject] == k.project && labels[labelService] == k.service && labels[labelNumber] == k.number &&
		!strings.EqualFold(labels[labelOneOff], "true")
}

// seen is what the engine tells of a container.
type seen struct {
	key       key
	id, name  string
	node      string // the node's name
	started   string // the instant of this life, in the engine's words
	running   bool
	mode      string // of its network: "host", "none", "container:…", or a network's name
	alone     string // why its processes cannot be reached; empty: they can
	endpoints []endpoint
}

// endpoint is a container's place in one network.
type endpoint struct {
	network string
	addr    netip.Addr
	prefix  netip.Prefix
	here    netip.Addr // this machine's address there; not valid if it has none
}

// find looks the target's containers up and refuses what cannot be attached to.
func (t Target) find(ctx context.Context, api *client.Client) (found []seen, name string, err error) {
	if len(t.Containers) > 0 {
		if t.File != "" || t.Project != "" || len(t.Services) > 0 {
			return nil, "", fmt.Errorf("containers are named beside a file, a project or services: name one or the other")
		}
		found, err = named(ctx, api, t.Containers)
		if err != nil {
			return nil, "", err
		}
		name = found[0].name
		if p := found[0].key.project; p != "" {
			name = p
		}
		return found, name, check(found)
	}
	found, name, err = t.services(ctx, api)
	if err != nil {
		return nil, "", err
	}
	return found, name, check(found)
}

// named looks containers up by name or id.
func named(ctx context.Context, api *client.Client, names []string) ([]seen, error) {
	var found []seen
	for _, name := range names {
		res, err := api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			return nil, fmt.Errorf("there is no container %s: 'docker ps -a' lists those that are there", name)
		}
		if err != nil {
			return nil, fmt.Errorf("look container %s up: %w", name, err)
		}
		s := see(res.Container)
		s.key, s.node = key{name: s.name}, s.name
		if strings.HasPrefix(s.id, name) {
			s.key, s.node = key{id: s.id}, name
		}
		if res.Container.Config != nil {
			s.key.project = res.Container.Config.Labels[labelProject]
		}
		if slices.ContainsFunc(found, func(o seen) bool { return o.id == s.id }) {
			return nil, fmt.Errorf("container %s is named twice", name)
		}
		found = append(found, s)
	}
	return found, nil
}

// services looks the containers of services up.
func (t Target) services(ctx context.Context, api *client.Client) ([]seen, string, error) {
	project, certain, err := t.project()
	if err != nil {
		return nil, "", err
	}
	all, err := ofProject(ctx, api, project)
	if err == nil && len(all) == 0 && !certain {
		project, all, err = byFile(ctx, api, t.File, project)
	}
	if err != nil {
		return nil, "", err
	}
	if len(all) == 0 {
		return nil, "", fmt.Errorf("project %s has no containers on this machine's engine: start it (docker compose up -d), or name the project that it was started with (docker compose ls)", project)
	}
	there := servicesOf(all)
	if len(t.Services) == 0 {
		return nil, "", fmt.Errorf("name the services that are nodes; project %s has %s", project, strings.Join(there, ", "))
	}
	var found []seen
	for i, service := range t.Services {
		if slices.Contains(t.Services[:i], service) {
			return nil, "", fmt.Errorf("service %s is named twice", service)
		}
		of := slices.DeleteFunc(slices.Clone(all), func(c container.Summary) bool { return c.Labels[labelService] != service })
		if len(of) == 0 {
			return nil, "", fmt.Errorf("project %s has no containers of service %s: it has %s; start it (docker compose up -d %s)", project, service, strings.Join(there, ", "), service)
		}
		for _, c := range of {
			s, err := lookUp(ctx, api, c.ID)
			if err != nil {
				return nil, "", err
			}
			s.key = key{project: project, service: service, number: c.Labels[labelNumber]}
			if s.node = service; len(of) > 1 {
				s.node = s.name
			}
			found = append(found, s)
		}
	}
	return found, project, nil
}

// ofProject lists a project's containers, by their numbers.
func ofProject(ctx context.Context, api *client.Client, project string) ([]container.Summary, error) {
	return list(ctx, api, labelProject+"="+project)
}

func list(ctx context.Context, api *client.Client, label string) ([]container.Summary, error) {
	res, err := api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", label)})
	if err != nil {
		return nil, fmt.Errorf("list the containers: %w", err)
	}
	items := slices.DeleteFunc(res.Items, func(c container.Summary) bool { return strings.EqualFold(c.Labels[labelOneOff], "true") })
	slices.SortStableFunc(items, func(a, b container.Summary) int {
		x, _ := strconv.Atoi(a.Labels[labelNumber])
		y, _ := strconv.Atoi(b.Labels[labelNumber])
		return x - y
	})
	return items, nil
}

// byFile finds the project that was made of a file under another name.
func byFile(ctx context.Context, api *client.Client, file, guess string) (string, []container.Summary, error) {
	all, err := list(ctx, api, labelProject)
	if err != nil {
		return "", nil, err
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", nil, err
	}
	var projects []string
	for _, c := range all {
		made := strings.Split(c.Labels[labelFiles], ",")
		ours := slices.ContainsFunc(made, func(f string) bool {
			return f == path || !filepath.IsAbs(f) && filepath.Join(c.Labels[labelDir], f) == path
		})
		if p := c.Labels[labelProject]; ours && !slices.Contains(projects, p) {
			projects = append(projects, p)
		}
	}
	switch len(projects) {
	case 0:
		return guess, nil, nil
	case 1:
		of, err := ofProject(ctx, api, projects[0])
		return projects[0], of, err
	}
	slices.Sort(projects)
	return "", nil, fmt.Errorf("several projects were started from %s: name one of %s", path, strings.Join(projects, ", "))
}

func servicesOf(all []container.Summary) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.Labels[labelService])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lookUp asks the engine for a container.
func lookUp(ctx context.Context, api *client.Client, id string) (seen, error) {
	res, err := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return seen{}, fmt.Errorf("look container %.12s up: %w", id, err)
	}
	return see(res.Container), nil
}

// see reads what the engine tells.
func see(c container.InspectResponse) seen {
	s := seen{id: c.ID, name: strings.TrimPrefix(c.Name, "/")}
	if c.State != nil {
		s.started, s.running = c.State.StartedAt, c.State.Running && !c.State.Restarting
	}
	if c.HostConfig != nil {
		s.mode = string(c.HostConfig.NetworkMode)
		switch mode := c.HostConfig.PidMode; {
		case mode.IsHost():
			s.alone = "it has the machine's own processes (pid: host): a guest there could hit all of them; give it a PID namespace of its own"
		case mode.IsContainer():
			s.alone = "it shares another container's processes (pid: " + string(mode) + "); give it a PID namespace of its own"
		}
	}
	if c.NetworkSettings != nil {
		for name, e := range c.NetworkSettings.Networks {
			for _, of := range []struct {
				addr netip.Addr
				bits int
			}{{e.IPAddress, e.IPPrefixLen}, {e.GlobalIPv6Address, e.GlobalIPv6PrefixLen}} {
				if prefix, err := of.addr.Prefix(of.bits); err == nil && of.addr.IsValid() {
					s.endpoints = append(s.endpoints, endpoint{network: name, addr: of.addr, prefix: prefix, here: here(of.addr, prefix)})
				}
			}
		}
	}
	slices.SortFunc(s.endpoints, func(a, b endpoint) int {
		if a.network != b.network {
			return strings.Compare(a.network, b.network)
		}
		return a.addr.Compare(b.addr) // IPv4 first
	})
	return s
}

// here is the address that this machine's packets to addr come from, if that is in
// the same network; no packet is sent to find out.
func here(addr netip.Addr, network netip.Prefix) netip.Addr {
	conn, err := net.Dial("udp", netip.AddrPortFrom(addr, 9).String())
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	own := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	if !network.Contains(own) {
		return netip.Addr{}
	}
	return own
}
