package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// Resource is one kind of objects, in one namespace or, if that is empty, in none.
type Resource[T any, P interface {
	*T
	runtime.Object
}] struct {
	client          rest.Interface
	namespace, name string
}

func (r *Resource[T, P]) in(a *API, group, namespace, name string) {
	r.client, r.namespace, r.name = a.groups[group], namespace, name
}

func (r *Resource[T, P]) at(request *rest.Request) *rest.Request {
	return request.NamespaceIfScoped(r.namespace, r.namespace != "").Resource(r.name)
}

// Get is the object of that name.
func (r *Resource[T, P]) Get(ctx context.Context, name string) (*T, error) {
	into := new(T)
	return into, r.at(r.client.Get()).Name(name).Do(ctx).Into(P(into))
}

// List reads the objects that a label selector names, all if it is empty, into a list
// of their kind.
func (r *Resource[T, P]) List(ctx context.Context, selector string, into runtime.Object) error {
	return r.at(r.client.Get()).Param("labelSelector", selector).Do(ctx).Into(into)
}

// Create makes an object and is what became of it.
func (r *Resource[T, P]) Create(ctx context.Context, object *T) (*T, error) {
	into := new(T)
	return into, r.at(r.client.Post()).Body(P(object)).Do(ctx).Into(P(into))
}

// Try asks whether the object would be made, which it is not.
func (r *Resource[T, P]) Try(ctx context.Context, object *T) error {
	return r.at(r.client.Post()).Param("dryRun", metav1.DryRunAll).Body(P(object)).Do(ctx).Error()
}

// Update replaces the object of that name.
func (r *Resource[T, P]) Update(ctx context.Context, name string, object *T) (*T, error) {
	into := new(T)
	return into, r.at(r.client.Put()).Name(name).Body(P(object)).Do(ctx).Into(P(into))
}

// Patch changes an object, or a part of it such as "ephemeralcontainers", by a strategic
// merge.
func (r *Resource[T, P]) Patch(ctx context.Context, name string, change any, part ...string) (*T, error) {
	return r.patch(ctx, name, change, "", part)
}

// TryPatch asks whether an object, or a part of it, would be changed, which it is not.
func (r *Resource[T, P]) TryPatch(ctx context.Context, name string, change any, part ...string) error {
	_, err := r.patch(ctx, name, change, metav1.DryRunAll, part)
	return err
}

func (r *Resource[T, P]) patch(ctx context.Context, name string, change any, dry string, part []string) (*T, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("encode a change of %s %s: %w", r.name, name, err)
	}
	request := r.at(r.client.Patch(types.StrategicMergePatchType)).Name(name).SubResource(part...)
	if dry != "" {
		request.Param("dryRun", dry)
	}
	into := new(T)
	return into, request.Body(body).Do(ctx).Into(P(into))
}

// Post makes something of an object, such as the "eviction" of a pod. It is asked once:
// what the cluster does not do now, it tells at once.
func (r *Resource[T, P]) Post(ctx context.Context, name, part string, body []byte) error {
	return r.at(r.client.Post()).Name(name).SubResource(part).Body(body).MaxRetries(0).Do(ctx).Error()
}

// Delete deletes an object, and in the background what it owns: after grace seconds, or
// its own if that is less than 0.
func (r *Resource[T, P]) Delete(ctx context.Context, name string, grace int64) error {
	return r.at(r.client.Delete()).Name(name).Body(deletion(grace)).Do(ctx).Error()
}

// DeleteAll deletes the objects that a label selector names. It must name some.
func (r *Resource[T, P]) DeleteAll(ctx context.Context, selector string, grace int64) error {
	if selector == "" {
		return fmt.Errorf("delete %s: nothing says which", r.name)
	}
	return r.at(r.client.Delete()).Param("labelSelector", selector).Body(deletion(grace)).Do(ctx).Error()
}

func deletion(grace int64) runtime.Object {
	background := metav1.DeletePropagationBackground
	o := &metav1.DeleteOptions{TypeMeta: metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}, PropagationPolicy: &background}
	if grace >= 0 {
		o.GracePeriodSeconds = &grace
	}
	return o
}

// Watch delivers what becomes of the objects that a label selector names, from a
// version of a list on. The caller stops it.
func (r *Resource[T, P]) Watch(ctx context.Context, selector, from string) (watch.Interface, error) {
	return r.at(r.client.Get()).Param("watch", "true").Param("allowWatchBookmarks", "true").
		Param("labelSelector", selector).Param("resourceVersion", from).Watch(ctx)
}

// maxRaw bounds an answer of Raw, in bytes.
const maxRaw = 1 << 20

// Raw reads what the API server has at a path, as JSON.
func (a *API) Raw(ctx context.Context, path string, into any) error {
	stream, err := a.groups[""].Get().AbsPath(path).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	return json.NewDecoder(io.LimitReader(stream, maxRaw)).Decode(into)
}
