package docker

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// A node whose servers may be of several images is several containers: the node's own,
// and beside it one of each other image, which shares its PID namespace, network and data
// directory and in which nothing runs but a process that keeps the file system. When the
// node's PID 1, the agent, ends, the kernel ends these processes too, and their containers go.

// standContainer is the name of what stands beside a node for one of its other images.
func standContainer(node, other string) string { return node + "-" + other }

// others makes and starts what stands beside node i, whose container is id.
func (l *launch) others(ctx context.Context, i int, id string) error {
	spec := l.spec.Nodes[i]
	for _, other := range slices.Sorted(maps.Keys(spec.Others)) {
		if err := l.stand(ctx, spec.Name, id, other, spec.Others[other]); err != nil {
			return fmt.Errorf("the file system of %s: %w", spec.Others[other], err)
		}
	}
	return nil
}

// stand makes and starts one of them.
func (l *launch) stand(ctx context.Context, node, id, other, image string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	labels := maps.Clone(l.labels)
	labels[labelNode] = standContainer(node, other)
	processes := int64(guestProcesses)
	res, err := l.eng.api.ContainerCreate(call, client.ContainerCreateOptions{
		Name: nodeContainer(l.spec.Run, standContainer(node, other)),
		Config: &container.Config{
			Image: image, Labels: labels, User: "0:0", WorkingDir: "/",
			Entrypoint: []string{binaryPath, "agent"}, Cmd: []string{},
			Env:         []string{agent.EnvStand + "=" + other},
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
		HostConfig: &container.HostConfig{
			NetworkMode: container.NetworkMode("container:" + id), PidMode: container.PidMode("container:" + id),
			VolumesFrom: []string{id}, AutoRemove: true, Resources: container.Resources{PidsLimit: &processes},
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "2"}},
		},
	})
	if err != nil {
		return err
	}
	if _, err := l.eng.api.CopyToContainer(call, res.ID, client.CopyToContainerOptions{DestinationPath: "/", Content: bytes.NewReader(l.archive)}); err != nil {
		return fmt.Errorf("copy the aftershock binary into the container: %w", err)
	}
	_, err = l.eng.api.ContainerStart(call, res.ID, client.ContainerStartOptions{})
	return err
}

// checkOthers refuses what cannot be made.
func checkOthers(n cluster.NodeSpec, needs cluster.Needs) error {
	for name, image := range n.Others {
		switch {
		case !nameOK.MatchString(strings.ReplaceAll(name, ".", "-")):
			return fmt.Errorf("node %s: %q is no name of another image", n.Name, name)
		case n.Image == "" || image == "":
			return fmt.Errorf("node %s: it and its other images have to be named", n.Name)
		case needs.Volume != nil:
			return fmt.Errorf("node %s: a volume that can lose and spoil what is on it is seen by one image alone: leave out what needs it (power, crash, disk, flip, target.disk), or the other versions", n.Name)
		}
	}
	return nil
}

// withOthers is a node's container when others stand beside it: its data directory is a
// volume, which they can share, and goes with the last of them.
func withOthers(spec cluster.NodeSpec, env map[string]string, config func(*container.Config)) func(*container.Config) {
	if len(spec.Others) == 0 {
		return config
	}
	env[agent.EnvOthers] = strings.Join(slices.Sorted(maps.Keys(spec.Others)), ",")
	return func(c *container.Config) {
		config(c)
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[dataDir] = struct{}{}
	}
}
