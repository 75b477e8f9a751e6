package compose

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/moby/moby/api/types/container"
)

// Lookup implements cluster.Neighbours: a name is a service of the nodes' project, or
// a container.
func (d *deployment) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	project := d.nodes[0].look().key.project
	var of []string
	if project != "" {
		all, err := ofProject(ctx, d.api, project)
		if err != nil {
			return nil, err
		}
		for _, c := range slices.DeleteFunc(all, func(c container.Summary) bool { return c.Labels[labelService] != name }) {
			of = append(of, c.ID)
		}
	}
	if len(of) == 0 {
		of = []string{name}
	}
	var addrs []netip.Addr
	for _, id := range of {
		s, err := lookUp(ctx, d.api, id)
		if err != nil {
			return nil, fmt.Errorf("%s is neither a service of project %q nor a container: %w", name, project, err)
		}
		for _, e := range s.endpoints {
			addrs = append(addrs, e.addr)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s has no address now: is it running?", name)
	}
	return addrs, nil
}
