package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
)

// Right is what a user has to be allowed to do with a kind of objects in a namespace.
type Right struct {
	Group, Resource string // "batch", "jobs"; a part of an object as "pods/exec"
	Verbs           []string
	Cluster         bool // they are in no namespace
}

// Role is a Role of that name that gives rights in a namespace, and the RoleBinding by
// which a user has it, as YAML for kubectl apply.
func Role(name, namespace, user string, rights []Right) string {
	return role("Role", fmt.Sprintf("{name: %s, namespace: %q}", name, namespace), name, user, rights)
}

// ClusterRole is the same for objects that are in no namespace, behind another document.
func ClusterRole(name, user string, rights []Right) string {
	return "---\n" + role("ClusterRole", fmt.Sprintf("{name: %s}", name), name, user, rights)
}

func role(kind, metadata, name, user string, rights []Right) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: %s\nrules:\n", kind, metadata)
	for _, r := range rights {
		fmt.Fprintf(&b, "- {apiGroups: [%q], resources: [%s], verbs: [%s]}\n", r.Group, r.Resource, strings.Join(r.Verbs, ", "))
	}
	fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %sBinding\nmetadata: %s\n", kind, metadata)
	fmt.Fprintf(&b, "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %s, name: %s}\n", kind, name)
	fmt.Fprintf(&b, "subjects: [{kind: User, name: %q, apiGroup: rbac.authorization.k8s.io}]\n", user)
	return b.String()
}

// NamespaceHere is the namespace of the user's configuration, or "default".
func NamespaceHere() string {
	if a, err := Load(""); err == nil {
		return a.Namespace
	}
	return "default"
}

// Denied asks the cluster which of the rights this user has not, each as
// "create pods/exec".
func (a *API) Denied(ctx context.Context, rights []Right) ([]string, error) {
	type question struct {
		right Right
		verb  string
		may   bool
	}
	var asked []*question
	all, ctx := errgroup.WithContext(ctx)
	for _, r := range rights {
		for _, verb := range r.Verbs {
			q := &question{right: r, verb: verb}
			asked = append(asked, q)
			all.Go(func() (err error) {
				q.may, err = a.May(ctx, r, verb)
				return err
			})
		}
	}
	if err := all.Wait(); err != nil {
		return nil, fmt.Errorf("ask what this user may do: %s", Words(err))
	}
	var denied []string
	for _, q := range asked {
		if !q.may {
			denied = append(denied, q.verb+" "+q.right.Resource)
		}
	}
	return denied, nil
}

// May asks the cluster whether this user may do something with a kind of objects.
func (a *API) May(ctx context.Context, r Right, verb string) (bool, error) {
	resource, part, _ := strings.Cut(r.Resource, "/")
	namespace := a.Namespace
	if r.Cluster {
		namespace = "" // a role of the namespace that names it gives nothing
	}
	answer, err := a.Reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: r.Group, Resource: resource, Subresource: part},
	}})
	if err != nil {
		return false, err
	}
	if answer.Status.EvaluationError != "" && !answer.Status.Allowed {
		return false, errors.New(answer.Status.EvaluationError)
	}
	return answer.Status.Allowed, nil
}
