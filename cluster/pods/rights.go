package pods

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// right is what the harness has to be allowed to do with a kind of objects, in the
// namespace of the pods.
type right struct {
	group, resource string
	verbs           []string
}

// rights are all that attaching needs, each of which it uses.
var rights = []right{
	{"", "pods", []string{"delete", "get", "list", "watch"}}, // delete is the fault's of that name
	{"", "pods/ephemeralcontainers", []string{"patch"}},      // guests
	{"", "pods/attach", []string{"create", "get"}},           // their keys
	{"", "pods/exec", []string{"create", "get"}},             // the binary's way into images of others, and commands
	{"", "pods/portforward", []string{"create", "get"}},      // where pods' addresses are not reached
	{"", "pods/log", []string{"get"}},
	{"apps", "statefulsets", []string{"get", "patch"}}, // patch is the fault rollout's
}

// Role is a Role that suffices for attaching to the pods of a namespace, and the
// RoleBinding that gives it to a user, as YAML for kubectl apply.
func Role(namespace, user string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: aftershock-attach, namespace: %q}\nrules:\n", namespace)
	for _, r := range rights {
		fmt.Fprintf(&b, "- {apiGroups: [%q], resources: [%s], verbs: [%s]}\n", r.group, r.resource, strings.Join(r.verbs, ", "))
	}
	fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: aftershock-attach, namespace: %q}\n", namespace)
	fmt.Fprintf(&b, "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: aftershock-attach}\n")
	fmt.Fprintf(&b, "subjects: [{kind: User, name: %q, apiGroup: rbac.authorization.k8s.io}]\n", user)
	return b.String()
}

// RoleIn is Role for a namespace; empty: that of the user's configuration, or "default".
func RoleIn(namespace, user string) string {
	if namespace == "" {
		namespace = "default"
		if a, err := api.Load(""); err == nil {
			namespace = a.Namespace
		}
	}
	return Role(namespace, user)
}

// Denied asks the cluster which of the rights this user has not, each as
// "patch pods/ephemeralcontainers", in the namespace of the user's configuration.
func Denied(ctx context.Context) ([]string, error) {
	a, err := api.Load("")
	if err != nil {
		return nil, err
	}
	return denied(ctx, a)
}

func denied(ctx context.Context, a *api.API) ([]string, error) {
	type question struct {
		right
		verb string
		may  bool
	}
	var asked []*question
	all, ctx := errgroup.WithContext(ctx)
	for _, r := range rights {
		for _, verb := range r.verbs {
			q := &question{right: r, verb: verb}
			asked = append(asked, q)
			all.Go(func() (err error) {
				q.may, err = may(ctx, a, r, verb)
				return err
			})
		}
	}
	if err := all.Wait(); err != nil {
		return nil, fmt.Errorf("ask what this user may do: %s", api.Words(err))
	}
	var no []string
	for _, q := range asked {
		if !q.may {
			no = append(no, q.verb+" "+q.resource)
		}
	}
	return no, nil
}

func may(ctx context.Context, a *api.API, r right, verb string) (bool, error) {
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
