package kubernetes

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// HasImage tells whether every machine of the cluster that takes pods says that it has
// an image already. Who may not look at machines is told false: it is pulled then.
func HasImage(ctx context.Context, name string) (bool, error) {
	a, err := api.Load("")
	if err != nil {
		return false, err
	}
	var machines corev1.NodeList
	err = a.Nodes.List(ctx, "", &machines)
	if apierrors.IsForbidden(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the cluster's machines: %s", api.Words(err))
	}
	some := false
	for i := range machines.Items {
		m := &machines.Items[i]
		if m.Spec.Unschedulable {
			continue
		}
		if !has(m, name) {
			return false, nil
		}
		some = true
	}
	return some, nil
}

func has(m *corev1.Node, name string) bool {
	want := fullName(name)
	for _, image := range m.Status.Images {
		for _, n := range image.Names {
			if fullName(n) == want {
				return true
			}
		}
	}
	return false
}

// fullName is an image's name with the registry and the tag that go without saying.
func fullName(name string) string {
	first, _, several := strings.Cut(name, "/")
	switch {
	case !several:
		name = "docker.io/library/" + name
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		name = "docker.io/" + name
	}
	if last := name[strings.LastIndex(name, "/"):]; !strings.ContainsAny(last, ":@") {
		name += ":latest"
	}
	return name
}
