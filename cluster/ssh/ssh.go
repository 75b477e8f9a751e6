// Package ssh attaches to servers on hosts that are reached by ssh.
//
// It runs the system's own ssh: what `ssh db1` does by a user's configuration, keys,
// agents, jump hosts, certificates and known hosts it does here, and this process sees
// no key. One session for each host brings a guest there: the aftershock binary is
// copied into a folder that only root may enter, started as root, and removes itself
// from the disk. Its control channel goes over the session's standard input and
// output, which needs no permission to forward anything, and whose end is the guest's:
// a harness that dies takes its guests along.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/service"
)

// Target says which hosts are meant, and which server on each.
type Target struct {
	Hosts  []string // as ssh is given them; each a node of that name
	User   string   // who logs in; empty: as ssh's configuration says
	Port   int      // of ssh; 0: as ssh's configuration says
	Config string   // a file of ssh's configuration, as with ssh -F; empty: the user's own
	// Server is found by its unit or its program's name; without both by its port, which
	// is AttachSpec's if it gives none.
	Server service.Spec
}

// New returns the place. It does nothing yet.
func New(t Target) cluster.Place { return &place{t} }

type place struct{ target Target }

// Name is "ssh".
func (*place) Name() string { return "ssh" }

// findTimeout bounds looking the hosts up.
const findTimeout = 30 * time.Second

// Available says whether there is a client of ssh here, and which. Its error wraps
// cluster.ErrUnavailable.
func Available(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "ssh", "-V").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: the program ssh cannot be run (%w): install OpenSSH's client", cluster.ErrUnavailable, err)
	}
	return strings.TrimSpace(string(output)), nil
}

// Find implements cluster.Place: it logs into every host and looks whether a guest
// could live there.
func (p *place) Find(ctx context.Context, spec cluster.AttachSpec) (cluster.Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	if _, err := Available(ctx); err != nil {
		return nil, err
	}
	if len(p.target.Hosts) == 0 {
		return nil, errors.New("ssh: no host is named")
	}
	wanted, err := architecture(spec.Binary)
	if err != nil {
		return nil, err
	}
	seen := make([]seen, len(p.target.Hosts))
	errs := make([]error, len(p.target.Hosts))
	var looking sync.WaitGroup
	for i, host := range p.target.Hosts {
		looking.Go(func() {
			if seen[i], errs[i] = p.target.probe(ctx, host); errs[i] == nil {
				errs[i] = seen[i].check(p.target, wanted)
			}
			if errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", host, errs[i])
			}
		})
	}
	looking.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := apart(p.target.Hosts, seen); err != nil {
		return nil, err
	}
	return newDeployment(ctx, p.target, spec, seen)
}

// apart refuses hosts that are the same machine.
func apart(hosts []string, all []seen) error {
	for i, a := range all {
		for j, b := range all[:i] {
			if a.addr == b.addr && a.port == b.port {
				return fmt.Errorf("%s and %s are the same machine, %s: name each once", hosts[j], hosts[i], a.addr)
			}
		}
	}
	return nil
}

// environment is what ssh gets of this process's: its messages are read.
func environment() []string { return append(os.Environ(), "LC_ALL=C") }
