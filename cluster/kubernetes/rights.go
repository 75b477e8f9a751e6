package kubernetes

import (
	"context"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// rights are all that the host needs in its namespace, each of which it uses.
var rights = []api.Right{
	{Group: "", Resource: "pods", Verbs: []string{"create", "delete", "get", "list", "watch"}},
	{Group: "", Resource: "pods/attach", Verbs: []string{"create", "get"}},      // the agents' keys
	{Group: "", Resource: "pods/exec", Verbs: []string{"create", "get"}},        // the binary's way into images of others
	{Group: "", Resource: "pods/portforward", Verbs: []string{"create", "get"}}, // where pods' addresses are not reached
	{Group: "batch", Resource: "jobs", Verbs: []string{"create", "delete", "list"}},
	{Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"create", "delete", "get", "list", "update"}},
}

// Role is a Role that suffices for the host in the namespace of the user's
// configuration, or "default", bound to a user: YAML for kubectl apply.
func Role(user string) string { return api.Role("aftershock", api.NamespaceHere(), user, rights) }

// Denied asks the cluster which of the rights this user has not, each as
// "create pods/exec".
func Denied(ctx context.Context) ([]string, error) {
	a, err := api.Load("")
	if err != nil {
		return nil, err
	}
	return a.Denied(ctx, rights)
}
