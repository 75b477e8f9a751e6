// Package kubernetes is the host made of pods: each node is one bare pod, with the
// aftershock agent as its PID 1, in a cluster that the user's configuration names.
//
// One small Job, the keeper, owns all that a launch makes. Its pod is an agent as well:
// when the harness is not heard of for its lease it ends, the Job with it, and a few
// seconds later the cluster itself removes the Job and what it owns. So nothing stays
// that only a living harness could remove, and nobody needs rights for that in the
// cluster. A Lease object says meanwhile, to whoever looks, that the run goes on.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// Labels on everything that a launch makes, and the annotation for what no label may
// hold.
const (
	labelRun    = "aftershock.run"    // the run's id, as far as a label can hold it; whole as an annotation
	labelLaunch = "aftershock.launch" // the launch's id
	labelNode   = "aftershock.node"   // the node's name; on nodes' pods
	labelKeeper = "aftershock.keeper" // "1" on the keeper
)

// Bounds of the calls to the API server.
const (
	callTimeout   = 15 * time.Second // one ordinary call
	startTimeout  = 2 * time.Minute  // until a pod runs, with the pull of its image
	placeTimeout  = 10 * time.Second // until there is a machine for a pod
	dialTimeout   = 20 * time.Second // until an agent answers, its binary's way there included
	removeTimeout = 30 * time.Second // removing a whole launch
)

// maxNodes bounds a cluster.
const maxNodes = 200

type host struct{ log *slog.Logger }

// New returns the host. It does nothing yet. A nil logger is slog.Default.
func New(logger *slog.Logger) cluster.Host {
	if logger == nil {
		logger = slog.Default()
	}
	return &host{log: logger}
}

// Name is "kubernetes".
func (*host) Name() string { return "kubernetes" }

// Available says which cluster is meant, and whether it answers.
func Available(ctx context.Context) (string, error) {
	a, err := api.Load("")
	if err != nil {
		return "", err
	}
	version, err := a.Version(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: the cluster at %s: %s", cluster.ErrUnavailable, a.Server, api.Words(err))
	}
	return fmt.Sprintf("Kubernetes %s at %s, namespace %s", version, a.Server, a.Namespace), nil
}

// Launch implements cluster.Host. Its errors wrap cluster.ErrUnavailable if no cluster
// is configured or it does not answer, cluster.ErrImage if an image cannot be pulled.
func (h *host) Launch(ctx context.Context, spec cluster.Spec) (cluster.Cluster, error) {
	if err := check(spec); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	if spec.Logger == nil {
		spec.Logger = h.log
	}
	a, err := api.Load("")
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	l, err := newLaunch(a, spec)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	c, err := l.run(ctx)
	if err == nil {
		return c, nil
	}
	if !l.asked {
		return nil, fmt.Errorf("kubernetes: launch run %s: %w", spec.Run, err)
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if closeErr := l.cluster.Close(cleanup); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("removing what was launched: %w", closeErr))
	}
	return nil, fmt.Errorf("kubernetes: launch run %s: %w", spec.Run, err)
}

// launchOK is a launch's id, as crypto/rand.Text makes it.
var launchOK = regexp.MustCompile(`^[A-Z2-7]{26}$`)

func check(spec cluster.Spec) error {
	if n := len(spec.Nodes); n == 0 || n > maxNodes {
		return fmt.Errorf("%d nodes: a cluster on kubernetes has 1 to %d", n, maxNodes)
	}
	seen := make(map[string]bool, len(spec.Nodes))
	for _, n := range spec.Nodes {
		if wrong := validation.IsDNS1123Label(n.Name); len(wrong) > 0 || len(n.Name) > maxNodeName {
			return fmt.Errorf("node name %q is none for a pod: small letters, digits and '-', at most %d", n.Name, maxNodeName)
		}
		if seen[n.Name] {
			return fmt.Errorf("two nodes are named %q", n.Name)
		}
		seen[n.Name] = true
		if n.Image == "" && spec.AgentImage == "" && (!n.Bare || spec.Nodes[0].Image == "") {
			return fmt.Errorf("%w: node %s runs the aftershock binary alone, of which the cluster has no image: push one whose entrypoint it is (`make release` makes one), and name it by --agent-image", cluster.ErrImage, n.Name)
		}
	}
	if spec.Launch != "" && !launchOK.MatchString(spec.Launch) {
		return fmt.Errorf("launch id %q: make it with crypto/rand.Text", spec.Launch)
	}
	if spec.Lease < 0 {
		return fmt.Errorf("lease %s is negative", spec.Lease)
	}
	return nil
}

// maxNodeName leaves room for what stands before it in a pod's name.
const maxNodeName = 20

// prefix is what the names of a launch's objects begin with.
func prefix(launch string) string { return "aftershock-" + strings.ToLower(launch) }

func selector(launch string) string { return labelLaunch + "=" + launch }

// labelValue is as much of a text as a label may hold.
func labelValue(text string) string {
	if len(text) > validation.LabelValueMaxLength {
		text = text[:validation.LabelValueMaxLength]
	}
	text = strings.Trim(text, "-_.")
	if len(validation.IsValidLabelValue(text)) > 0 {
		return ""
	}
	return text
}

// remedy adds to a refusal of the API server's what helps.
func remedy(err error, namespace string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "PodSecurity"):
		return fmt.Errorf("%s; the namespace %s admits no such pods: use one whose label pod-security.kubernetes.io/enforce allows them, or a plan without these faults", api.Words(err), namespace)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return fmt.Errorf("%s; the namespace %s has no room left", api.Words(err), namespace)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s; `aftershock doctor --rbac` prints the role that suffices", api.Words(err))
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s; is there a namespace %s?", api.Words(err), namespace)
	}
	return err
}
