package pods

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// seen is what the cluster tells of a node's pod.
type seen struct {
	pod       *corev1.Pod
	container string
	addr      netip.Addr
}

// selector is what the pods are watched by; empty: all of the namespace.
func (t Target) selector(ctx context.Context, a *api.API) (string, error) {
	switch {
	case t.Selector != "":
		parsed, err := labels.Parse(t.Selector)
		if err != nil {
			return "", fmt.Errorf("the selector %q: %s", t.Selector, api.OneLine(err.Error()))
		}
		return parsed.String(), nil
	case t.StatefulSet == "":
		return "", nil
	}
	set, err := a.StatefulSets.Get(ctx, t.StatefulSet)
	if apierrors.IsNotFound(err) {
		return "", fmt.Errorf("there is no StatefulSet %s in namespace %s: 'kubectl get statefulsets -A' lists those that are there", t.StatefulSet, a.Namespace)
	}
	if err != nil {
		return "", fmt.Errorf("look StatefulSet %s up: %w", t.StatefulSet, unheard(err, a))
	}
	if n := replicas(set.Spec.Replicas); n != t.Replicas {
		return "", fmt.Errorf("StatefulSet %s has %d replicas, and the plan says %d: write replicas: %[2]d", t.StatefulSet, n, t.Replicas)
	}
	if set.Spec.Ordinals != nil && set.Spec.Ordinals.Start != 0 {
		return "", fmt.Errorf("the pods of StatefulSet %s begin with %s-%d: name them by pods in place of it", t.StatefulSet, t.StatefulSet, set.Spec.Ordinals.Start)
	}
	by, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil {
		return "", fmt.Errorf("the selector of StatefulSet %s: %w", t.StatefulSet, err)
	}
	return by.String(), nil
}

// replicas is how many there are where nothing is said: one.
func replicas(said *int32) int {
	if said == nil {
		return 1
	}
	return int(*said)
}

// stays tells whether a node's pod has the node's name.
func (t Target) stays() bool { return t.Selector == "" }

// called is the deployment's name, as it is typed out by whoever allows that it is
// broken.
func (t Target) called(namespace string) string {
	what := t.StatefulSet
	if len(t.Pods) > 0 {
		what = t.Pods[0]
	}
	return namespace + "/" + cmp.Or(what, t.Selector)
}

// find picks the nodes' pods and refuses what cannot be attached to.
func (t Target) find(a *api.API, there map[string]*corev1.Pod) ([]seen, error) {
	chosen, err := t.choose(a, there)
	if err != nil {
		return nil, err
	}
	var found []seen
	var down, hosts []string
	for _, p := range chosen {
		container, err := t.serverIn(p)
		if err != nil {
			return nil, err
		}
		s := seen{pod: p, container: container}
		switch {
		case p.Spec.HostNetwork:
			hosts = append(hosts, p.Name)
		case p.DeletionTimestamp != nil:
			down = append(down, p.Name+" (it is being deleted)")
		case !runs(p, container):
			down = append(down, p.Name+" ("+state(p)+")")
		default:
			if s.addr, err = netip.ParseAddr(p.Status.PodIP); err != nil {
				return nil, fmt.Errorf("the address of pod %s: %w", p.Name, err)
			}
		}
		found = append(found, s)
	}
	switch {
	case len(hosts) > 0:
		return nil, fmt.Errorf("%s: hostNetwork: rules there would cut off the machine itself, with its kubelet: give the pods a network of their own", strings.Join(hosts, ", "))
	case len(down) > 0:
		return nil, fmt.Errorf("not running: %s: wait until they are ('kubectl -n %s get pods'), or see why not ('kubectl -n %[2]s describe pod')", strings.Join(down, ", "), a.Namespace)
	}
	return found, nil
}

// choose picks the pods, in the nodes' order.
func (t Target) choose(a *api.API, there map[string]*corev1.Pod) ([]*corev1.Pod, error) {
	if !t.stays() {
		all := living(there)
		if len(all) != t.Replicas {
			return nil, fmt.Errorf("%d pods of namespace %s have the labels %s (%s), and the plan says %d: write replicas: %[1]d, or labels that are theirs alone", len(all), a.Namespace, t.Selector, namesOf(all), t.Replicas)
		}
		return all, nil
	}
	var chosen []*corev1.Pod
	var missing []string
	for _, name := range t.Names {
		p := there[name]
		if p == nil {
			missing = append(missing, name)
			continue
		}
		chosen = append(chosen, p)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("there is no pod %s in namespace %s: 'kubectl -n %[2]s get pods' lists those that are there", strings.Join(missing, ", "), a.Namespace)
	}
	return chosen, nil
}

// living are the pods that have not ended and are not about to, by name.
func living(there map[string]*corev1.Pod) []*corev1.Pod {
	var all []*corev1.Pod
	for _, p := range there {
		if p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(x, y *corev1.Pod) int { return byOrdinal(x.Name, y.Name) })
	return all
}

// byOrdinal has db-9 before db-10.
func byOrdinal(x, y string) int {
	split := func(name string) (string, int) {
		at := strings.LastIndexByte(name, '-')
		n, err := strconv.Atoi(name[at+1:])
		if at < 0 || err != nil {
			return name, 0
		}
		return name[:at], n
	}
	xName, xOrdinal := split(x)
	yName, yOrdinal := split(y)
	return cmp.Or(strings.Compare(xName, yName), cmp.Compare(xOrdinal, yOrdinal), strings.Compare(x, y))
}

func namesOf(pods []*corev1.Pod) string {
	if len(pods) == 0 {
		return "none"
	}
	var names []string
	for _, p := range pods {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// defaultContainer is the annotation by which a pod says which container kubectl means.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// serverIn is the container that has the server.
func (t Target) serverIn(p *corev1.Pod) (string, error) {
	var names []string
	for _, c := range p.Spec.Containers {
		names = append(names, c.Name)
	}
	said := cmp.Or(t.Container, p.Annotations[defaultContainer])
	switch {
	case said == "" && len(names) == 1:
		return names[0], nil
	case slices.Contains(names, said):
		return said, nil
	case said == "":
		return "", fmt.Errorf("pod %s has several containers: say which has the server: container: one of %s", p.Name, strings.Join(names, ", "))
	}
	return "", fmt.Errorf("pod %s has no container %s: it has %s", p.Name, api.OneLine(said), strings.Join(names, ", "))
}

// alone says why the server's processes cannot be reached; empty: they can.
func alone(p *corev1.Pod) string {
	switch {
	case p.Spec.HostPID:
		return "it has the machine's own processes (hostPID): a guest there could hit all of them; give the pod a PID namespace of its own"
	case p.Spec.ShareProcessNamespace != nil && *p.Spec.ShareProcessNamespace:
		return "its containers share their processes (shareProcessNamespace): a guest would hit all of them; give each container its own"
	}
	return ""
}
