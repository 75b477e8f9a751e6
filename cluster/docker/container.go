package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
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
		c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	}
}

// hostConfig attaches the container to the run's network alone, with the one
// capability that network faults need besides the engine's default ones.
func hostConfig(networkName string) func(*container.HostConfig) {
	return func(h *container.HostConfig) {
		noInit := false
		h.Init = &noInit
		h.NetworkMode = container.NetworkMode(networkName)
		h.CapAdd = []string{"NET_ADMIN"}
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

// explain says why an agent may not answer: what became of its container, the
// end of its output, and the remedy when the container is well.
func (l *launch) explain(ctx context.Context, id string) string {
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	res, err := l.eng.api.ContainerInspect(call, id, client.ContainerInspectOptions{})
	if err != nil {
		return "its container is gone: " + engineWords(err)
	}
	var said string
	if out := l.output(call, id); out != "" {
		said = "; its output ends with: " + out
	}
	if s := res.Container.State; s != nil && !s.Running {
		return strings.TrimSpace(fmt.Sprintf("its container is %s with exit code %d %s", s.Status, s.ExitCode, s.Error)) + said
	}
	return "its container runs: see whether this machine reaches containers' addresses (it must be the engine's own machine)" + said
}

// output is the end of a container's output, on one line.
func (l *launch) output(ctx context.Context, id string) string {
	logs, err := l.eng.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "5"})
	if err != nil {
		return ""
	}
	defer logs.Close()
	var buf bytes.Buffer
	// A torn stream still shows what came before it.
	_, _ = stdcopy.StdCopy(&buf, &buf, io.LimitReader(logs, 64<<10))
	s := strings.Join(strings.Fields(buf.String()), " ")
	return s[max(0, len(s)-maxShown):]
}
