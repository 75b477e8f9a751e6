package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// rule is what the harness has to be allowed to do with a kind of objects, in its
// namespace.
type rule struct {
	group, resource string
	verbs           []string
}

// rules are all that the host needs, each of which it uses.
var rules = []rule{
	{"", "pods", []string{"create", "delete", "get", "list", "watch"}},
	{"", "pods/attach", []string{"create", "get"}},      // the agents' keys
	{"", "pods/exec", []string{"create", "get"}},        // the binary's way into images of others
	{"", "pods/portforward", []string{"create", "get"}}, // where pods' addresses are not reached
	{"batch", "jobs", []string{"create", "delete", "list"}},
	{"coordination.k8s.io", "leases", []string{"create", "delete", "get", "list", "update"}},
}

// Role is a Role that suffices for the host in a namespace, and the RoleBinding that
// gives it to a user, as YAML for kubectl apply.
func Role(namespace, user string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: aftershock, namespace: %q}\nrules:\n", namespace)
	for _, r := range rules {
		fmt.Fprintf(&b, "- {apiGroups: [%q], resources: [%s], verbs: [%s]}\n", r.group, r.resource, strings.Join(r.verbs, ", "))
	}
	fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: aftershock, namespace: %q}\n", namespace)
	fmt.Fprintf(&b, "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: aftershock}\n")
	fmt.Fprintf(&b, "subjects: [{kind: User, name: %q, apiGroup: rbac.authorization.k8s.io}]\n", user)
	return b.String()
}

// RoleHere is Role for the namespace of the user's configuration; without one it is for
// the namespace "default".
func RoleHere(user string) string {
	namespace := "default"
	if a, err := api.Load(""); err == nil {
		namespace = a.Namespace
	}
	return Role(namespace, user)
}

// Denied asks the cluster which of the rules this user may not do, each as
// "create pods/exec".
func Denied(ctx context.Context) ([]string, error) {
	a, err := api.Load("")
	if err != nil {
		return nil, err
	}
	var asked []string
	for _, r := range rules {
		for _, verb := range r.verbs {
			asked = append(asked, verb+" "+r.resource)
		}
	}
	may := make([]bool, len(asked))
	all, ctx := errgroup.WithContext(ctx)
	next := 0
	for _, r := range rules {
		for _, verb := range r.verbs {
			i := next
			next++
			all.Go(func() (err error) {
				may[i], err = allowed(ctx, a, r, verb)
				return err
			})
		}
	}
	if err := all.Wait(); err != nil {
		return nil, fmt.Errorf("ask what this user may do: %s", api.Words(err))
	}
	var denied []string
	for i, ok := range may {
		if !ok {
			denied = append(denied, asked[i])
		}
	}
	return denied, nil
}

func allowed(ctx context.Context, a *api.API, r rule, verb string) (bool, error) {
	resource, part, _ := strings.Cut(r.resource, "/")
	answer, err := a.Reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: a.Namespace, Verb: verb, Group: r.group, Resource: resource, Subresource: part},
	}})
	if err != nil {
		return false, err
	}
	if answer.Status.EvaluationError != "" && !answer.Status.Allowed {
		return false, errors.New(answer.Status.EvaluationError)
	}
	return answer.Status.Allowed, nil
}
