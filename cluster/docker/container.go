package docker

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/ext4"
)

// dataDir is a node's data directory, inside its container.
const dataDir = "/aftershock-data"

// maxShown bounds how much of a container's output is put into an error.
const maxShown = 2 << 10

// containerConfig runs the agent as root whatever the image's own user is, and
// switches the image's health check off: it would start processes in the node
// behind the agent's back.
func containerConfig(spec cluster.NodeSpec) func(*container.Config) {
	return func(c *container.Config) {
		c.Image = spec.Image
		c.Hostname = spec.Name
		c.User = "0:0"
		c.WorkingDir = "/"
		// The agent gets its keys on its standard input, from the first and only
		// connection to it.
		c.AttachStdin, c.OpenStdin, c.StdinOnce = true, true, true
		c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	}
}

// capabilities are those that a node's faults need besides the engine's default ones.
func capabilities(needs cluster.Needs) []string {
	all := []string{"NET_ADMIN"}
	if needs.Trace {
		all = append(all, "SYS_PTRACE") // the memory of another user's processes
	}
	return all
}

// hostConfig attaches the container to the run's network alone, with the
// capabilities that its faults need, and holds it to its limits.
func hostConfig(networkName string, limits cluster.Limits, needs cluster.Needs) func(*container.HostConfig) {
	processes := int64(cmp.Or(limits.Processes, cluster.DefaultProcesses))
	return func(h *container.HostConfig) {
		h.PidsLimit = &processes
		h.Memory, h.MemorySwap = limits.Memory, limits.Memory // no swap beside it
		noInit := false
		h.Init = &noInit
		h.AutoRemove = true // a container that ends is of no use to anybody
		h.NetworkMode = container.NetworkMode(networkName)
		h.CapAdd = capabilities(needs)
		if needs.Volume != nil {
			h.CapAdd = append(h.CapAdd, "SYS_ADMIN") // to mount it
			h.SecurityOpt = append(h.SecurityOpt, "apparmor=unconfined")
			h.Devices = append(h.Devices, container.DeviceMapping{PathOnHost: volume.Device, PathInContainer: volume.Device, CgroupPermissions: "rwm"})
			if needs.Volume.Real != "" { // loop devices come as they are asked for
				h.Devices = append(h.Devices, container.DeviceMapping{PathOnHost: ext4.Control, PathInContainer: ext4.Control, CgroupPermissions: "rwm"})
				h.DeviceCgroupRules = append(h.DeviceCgroupRules, fmt.Sprintf("b %d:* rwm", ext4.Major))
				h.CapAdd = append(h.CapAdd, "MKNOD")
			}
		}
		h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyDisabled}
		h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "2"}}
	}
}

// endpoint gives the container its address.
func endpoint(networkName string, addr netip.Addr) func(map[string]*network.EndpointSettings) {
	return func(m map[string]*network.EndpointSettings) {
		m[networkName] = &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: addr}}
	}
}

// away says what the engine knows of a container whose agent is not heard of.
func (e *engine) away(ctx context.Context, id string) string {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := e.api.ContainerInspect(call, id, client.ContainerInspectOptions{})
	switch {
	case notFound(err):
		return "its container " + short(id) + " was removed"
	case err != nil:
		return "its container cannot be looked at: " + engineWords(err)
	}
	s := res.Container.State
	switch {
	case s == nil:
		return ""
	case s.Paused:
		return "its container " + short(id) + " is paused"
	case s.OOMKilled:
		return fmt.Sprintf("its container %s was killed as there was no memory left", short(id))
	case !s.Running:
		return strings.TrimSpace(fmt.Sprintf("its container %s is %s with exit code %d %s", short(id), s.Status, s.ExitCode, s.Error))
	}
	return "its container " + short(id) + " runs, and its agent does not answer"
}

// explain says why an agent may not answer: what became of its container, the
// end of its output, and the remedy when the container is well.
func (l *launch) explain(ctx context.Context, id string, a *attachment) string {
	select {
	case <-a.ended:
		return a.exit(ctx)
	default:
	}
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	res, err := l.eng.api.ContainerInspect(call, id, client.ContainerInspectOptions{})
	if err != nil {
		return "its container is gone: " + engineWords(err) + a.output()
	}
	if s := res.Container.State; s != nil && !s.Running {
		return strings.TrimSpace(fmt.Sprintf("its container is %s with exit code %d %s", s.Status, s.ExitCode, s.Error)) + a.output()
	}
	return "its container runs: see whether this machine reaches containers' addresses (it must be the engine's own machine)" + a.output()
}
