package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/aftershock-chaos/aftershock/cluster/owner"
)

// launchTime is how old a container that was not started, or a network without
// containers, has to be before Clean removes it where its lock file cannot be
// seen: a younger one may belong to a launch in progress.
const launchTime = time.Minute

// Clean removes the containers and networks of dead runs, and only those: of what
// bears this package's labels that of which name, labels and lock agree. A run is
// dead when nobody holds its lock file or, if that cannot be seen, its process
// has ended. What runs is removed only if the lock proves it: the agents' lease
// ends it in seconds anyway. Where neither lock nor process can be seen, such as
// of another boot of the machine, what does not run is removed, and then a network
// that has nothing.
//
// It returns what was removed, also when it fails half-way.
func Clean(ctx context.Context) (removed []string, err error) {
	eng, err := connect(ctx, slog.Default())
	if err != nil {
		return nil, err
	}
	defer eng.close()
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	filter := make(client.Filters).Add("label", labelRun)
	containers, err := eng.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("docker: clean: list containers: %w", err)
	}
	networks, err := eng.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("docker: clean: list networks: %w", err)
	}
	now := time.Now()
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, err)
			return
		}
		removed = append(removed, what)
	}
	for _, c := range containers.Items {
		id, ok := identifyContainer(c)
		if ok && deadContainer(id.mark.Life(id.launch), c.State, time.Unix(c.Created, 0), now) {
			note("container "+containerName(c), eng.removeOwn(ctx, c))
		}
	}
	for _, n := range networks.Items {
		id, ok := identify(n.Name, n.Labels)
		if !ok {
			continue
		}
		dead, err := eng.deadNetwork(ctx, n.ID, id.mark.Life(id.launch), n.Created, now)
		if err != nil {
			errs = append(errs, err)
		}
		if dead {
			note("network "+n.Name, eng.removeNetwork(ctx, n.ID))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return removed, fmt.Errorf("docker: clean: %w", err)
	}
	return removed, nil
}

// Reap removes what is left of a launch whose harness has ended, running or not,
// and tells whether there was anything.
func Reap(ctx context.Context, launch string) (found bool, err error) {
	eng, err := connect(ctx, slog.Default())
	if err != nil {
		return false, err
	}
	defer eng.close()
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	n, err := eng.removeAll(ctx, launch)
	if err != nil {
		return n > 0, fmt.Errorf("docker: reap: %w", err)
	}
	return n > 0, nil
}

// deadContainer decides whether a container may be removed.
func deadContainer(l owner.Life, state container.ContainerState, created, now time.Time) bool {
	switch l {
	case owner.Alive, owner.Foreign:
		return false
	case owner.Dead:
		return true
	}
	switch state {
	case container.StateExited, container.StateDead:
		return true
	case container.StateCreated:
		return l == owner.Gone || now.Sub(created) > launchTime
	}
	return false
}

// deadNetwork decides whether a network may be removed. It looks again at what
// is attached, after the dead containers have gone.
func (e *engine) deadNetwork(ctx context.Context, id string, l owner.Life, created, now time.Time) (bool, error) {
	switch {
	case l == owner.Alive || l == owner.Foreign:
		return false, nil
	case l == owner.Dead:
		return true, nil
	case l == owner.Unknown && now.Sub(created) <= launchTime:
		return false, nil
	}
	res, err := e.api.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
	if notFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("inspect network %s: %w", short(id), err)
	}
	return len(res.Network.Containers) == 0, nil
}

func containerName(c container.Summary) string {
	if len(c.Names) == 0 {
		return short(c.ID)
	}
	return strings.TrimPrefix(c.Names[0], "/")
}

// CleanImages removes the node images that this package built and that no
// container uses. The next launch builds the one it needs again.
func CleanImages(ctx context.Context) (removed []string, err error) {
	eng, err := connect(ctx, slog.Default())
	if err != nil {
		return nil, err
	}
	defer eng.close()
	return eng.cleanImages(ctx, labelImage+"=1")
}

// cleanImages removes the node images that bear a label and are not in use.
func (e *engine) cleanImages(ctx context.Context, label string) (removed []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	images, err := e.api.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("label", label)})
	if err != nil {
		return nil, fmt.Errorf("docker: clean images: %w", err)
	}
	var errs []error
	for _, img := range images.Items {
		names := slices.DeleteFunc(slices.Clone(img.RepoTags), func(t string) bool { return !isNodeImage(t) })
		if len(img.RepoTags) == 0 {
			names = []string{img.ID}
		}
		for _, name := range names {
			// Without force the engine refuses an image that a container uses.
			_, err := e.api.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
			switch {
			case err == nil:
				removed = append(removed, "image "+name)
			case !notFound(err) && !errdefs.IsConflict(err):
				errs = append(errs, fmt.Errorf("docker: clean images: remove %s: %w", name, err))
			}
		}
	}
	return removed, errors.Join(errs...)
}
