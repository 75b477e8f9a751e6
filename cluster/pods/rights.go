package pods

import (
	"cmp"
	"context"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// rights are all that attaching needs in the namespace of the pods, each of which it uses.
var rights = []api.Right{
	{Group: "", Resource: "pods", Verbs: []string{"delete", "get", "list", "watch"}}, // delete is the fault's of that name
	{Group: "", Resource: "pods/ephemeralcontainers", Verbs: []string{"patch"}},      // guests
	{Group: "", Resource: "pods/attach", Verbs: []string{"create", "get"}},           // their keys
	{Group: "", Resource: "pods/exec", Verbs: []string{"create", "get"}},             // the binary's way into images of others, and commands
	{Group: "", Resource: "pods/portforward", Verbs: []string{"create", "get"}},      // where pods' addresses are not reached
	{Group: "", Resource: "pods/log", Verbs: []string{"get"}},
	{Group: "apps", Resource: "statefulsets", Verbs: []string{"get", "patch"}}, // patch is the fault rollout's
}

// evictions are what a drain needs besides.
var evictions = api.Right{Resource: "pods/eviction", Verbs: []string{"create"}}

// RoleIn is a Role that suffices for attaching to the pods of a namespace, if that is
// empty of the user's configuration's, bound to a user: YAML for kubectl apply. Where
// machines are cordoned it is followed by a ClusterRole, as machines are in no namespace.
func RoleIn(namespace, user string, cordons bool) string {
	const name = "aftershock-attach"
	needed, machines := rights, ""
	if cordons {
		needed, machines = append(slices.Clone(rights), evictions), api.ClusterRole(name, user, api.CordonRights)
	}
	return api.Role(name, cmp.Or(namespace, api.NamespaceHere()), user, needed) + machines
}

// Denied asks the cluster which of the rights this user has not, each as
// "patch pods/ephemeralcontainers", in the namespace of the user's configuration.
func Denied(ctx context.Context) ([]string, error) {
	a, err := api.Load("")
	if err != nil {
		return nil, err
	}
	return a.Denied(ctx, rights)
}
