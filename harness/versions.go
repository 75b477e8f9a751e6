package harness

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/harness/upgrades"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

// versions are those that the nodes of a run have, where they are not all the same one.
type versions struct {
	starts  []version.Version // by node
	becomes [][]version.Version
	systems map[string]targets.System // by version
	images  map[string]string         // likewise; empty: they are all in the aftershock binary
}

// chooseVersions settles what nodes of several versions are made of; nil: they have one.
func (d *deployment) chooseVersions(ctx context.Context, p *plan.Plan, t targets.Target, config targets.Config) (*versions, error) {
	if !p.MixesVersions() {
		return nil, nil
	}
	base := config.Version
	if base.None() {
		return nil, fmt.Errorf("%w: target.version: it is not known which version the nodes start with", failure.ErrInput)
	}
	v := &versions{systems: map[string]targets.System{}, images: map[string]string{}}
	var err error
	if v.starts, err = p.Starts(base); err == nil {
		v.becomes, err = p.Becomes()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	if err := d.canReplace(p); err != nil {
		return nil, err
	}
	for _, of := range slices.Concat(append(v.becomes, v.starts)...) {
		if v.systems[of.String()] != nil {
			continue
		}
		config.Version = of
		if v.systems[of.String()], err = t.Configure(config); err != nil {
			return nil, fmt.Errorf("%w: target %s %s: %w", failure.ErrInput, p.Target.Name, of, err)
		}
		if d.target.BuiltIn() {
			continue
		}
		if v.images[of.String()], _, err = d.host.ChooseImage(ctx, d.target, Wanted{Image: AutoImage, Version: of}); err != nil {
			return nil, failure.Infrastructure("choose the image of "+of.String(), err)
		}
	}
	return v, nil
}

// canReplace refuses several versions where the host has but one of a server.
func (d *deployment) canReplace(p *plan.Plan) error {
	named := os.Getenv(ImageVariable(d.target.Name))
	switch {
	case d.target.BuiltIn():
		return nil
	case d.host.HasImage == nil:
		return fmt.Errorf("%w: servers of several versions: host %s runs those that are installed, which are of one version: use host: docker, where each version has an image", failure.ErrInput, d.host.Name)
	case !d.host.OtherImages && len(faults.Upgrades(p.Faults)) > 0:
		return fmt.Errorf("%w: upgrade: on host %s a node is made of one image for as long as it lives: use host: docker, or a cluster that is mixed from the start (target.versions)", failure.ErrInput, d.host.Name)
	case named != "" && named != AutoImage:
		return fmt.Errorf("%w: servers of several versions are asked for, and %s names one image: take it out of the environment", failure.ErrInput, ImageVariable(d.target.Name))
	}
	return nil
}

// node is what a node is launched as; without versions, the same as the others.
func (v *versions) node(n cluster.NodeSpec, i int) cluster.NodeSpec {
	if v == nil || len(v.images) == 0 {
		return n
	}
	own := v.starts[i].String()
	n.Image = v.images[own]
	for _, other := range v.becomes[i] {
		if other.String() != own {
			if n.Others == nil {
				n.Others = map[string]string{}
			}
			n.Others[other.String()] = v.images[other.String()]
		}
	}
	return n
}

// cluster is what the upgrades of a deployment are of.
func (d *deployment) upgradeable() upgrades.Cluster {
	return upgrades.Cluster{Nodes: d.nodes, System: d.system, Systems: d.versions.systems, Starts: d.versions.starts, Images: len(d.versions.images) > 0}
}

// server is what node i starts with.
func (d *deployment) server(i int) cluster.ServerSpec {
	if d.versions == nil {
		return d.system.Server(d.first(), i)
	}
	return d.upgradeable().Server(d.versions.starts[i], i)
}

// wantedOf is the version that node i has to run at first; none: any.
func (d *deployment) wantedOf(i int) version.Version {
	if d.versions == nil {
		return d.wanted
	}
	return d.versions.starts[i]
}

// askVersion asks the first server which version it is, all of them where they are not to
// be the same, and refuses one that the plan does not mean.
func (d *deployment) askVersion(ctx context.Context) error {
	asked, ok := d.system.(targets.Versioned)
	if !ok || d.target.BuiltIn() && d.wanted.None() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	nodes := d.nodes[:1]
	if d.versions != nil {
		nodes = d.first()
	}
	var others []string
	for i, n := range nodes {
		runs, said, err := d.versionOf(ctx, asked, i)
		switch {
		case err != nil:
			return err
		case i == 0:
			d.version, d.said = runs.String(), said
		case runs.String() != d.version:
			others = append(others, n.Name+" "+runs.String())
		}
	}
	if len(others) > 0 {
		d.version += " (" + strings.Join(others, ", ") + ")"
	}
	return nil
}

// versionOf asks one server.
func (d *deployment) versionOf(ctx context.Context, asked targets.Versioned, i int) (runs version.Version, said string, err error) {
	said, err = asked.Version(ctx, d.nodes[i])
	if err != nil {
		return runs, said, failure.Infrastructure("ask for the version", err)
	}
	runs, ok := version.Find(said)
	if !ok {
		return runs, said, failure.Infrastructure("ask for the version", fmt.Errorf("%s says that it is %q", d.nodes[i].Name, said))
	}
	where, wanted := "is installed here", d.wantedOf(i)
	if d.image != "" {
		where = "is in " + d.image
	}
	switch {
	case !wanted.None() && !wanted.Covers(runs):
		return runs, said, fmt.Errorf("%w: target.version: %s %s is wanted, and %s %s: install the other one, or ask for this", failure.ErrInput, d.target.Name, wanted, runs, where)
	case !d.about.Has(runs):
		return runs, said, fmt.Errorf("%w: for.version: the plan's claims are not about %s %s, which %s: they are about %s", failure.ErrInput, d.target.Name, runs, where, d.about)
	}
	return runs, said, nil
}
