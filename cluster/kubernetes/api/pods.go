package api

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Tracker follows the pods that a label selector names.
type Tracker struct {
	a        *API
	selector string
	cancel   context.CancelFunc
	ended    chan struct{}

	mu      sync.Mutex
	pods    map[string]*corev1.Pod // by name; those that are deleted have gone
	err     error                  // why nothing is known any more
	changed chan struct{}          // closed and replaced with each change
}

// Track starts to follow pods. Stop ends it.
func (a *API) Track(ctx context.Context, selector string) (*Tracker, error) {
	t := &Tracker{a: a, selector: selector, ended: make(chan struct{}), pods: map[string]*corev1.Pod{}, changed: make(chan struct{})}
	version, err := t.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var watched context.Context
	watched, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go t.follow(watched, version)
	return t, nil
}

// Stop ends it.
func (t *Tracker) Stop() {
	t.cancel()
	<-t.ended
}

// list reads all pods anew.
func (t *Tracker) list(ctx context.Context) (version string, err error) {
	var all corev1.PodList
	if err := t.a.Pods.List(ctx, t.selector, &all); err != nil {
		return "", err
	}
	t.change(func() {
		t.err = nil
		clear(t.pods)
		for i := range all.Items {
			t.pods[all.Items[i].Name] = &all.Items[i]
		}
	})
	return all.ResourceVersion, nil
}

func (t *Tracker) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

// follow watches until ctx ends. A watch that tears is begun anew, with a list.
func (t *Tracker) follow(ctx context.Context, version string) {
	defer close(t.ended)
	for ctx.Err() == nil {
		w, err := t.a.Pods.Watch(ctx, t.selector, version)
		if err == nil {
			version = t.take(w, version)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil && version != "" {
			continue
		}
		if version, err = t.list(ctx); err != nil && ctx.Err() == nil {
			t.change(func() { t.err = err })
			pause(ctx)
		}
	}
}

// take takes a watch's events to its end, and is the version that it came to; empty:
// that is too old.
func (t *Tracker) take(w watch.Interface, version string) string {
	defer w.Stop()
	for e := range w.ResultChan() {
		p, ok := e.Object.(*corev1.Pod)
		if !ok {
			return ""
		}
		version = p.ResourceVersion
		switch e.Type {
		case watch.Added, watch.Modified:
			t.change(func() { t.pods[p.Name] = p })
		case watch.Deleted:
			t.change(func() { delete(t.pods, p.Name) })
		}
	}
	return version
}

// Pods are those of now, by name.
func (t *Tracker) Pods() map[string]*corev1.Pod {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.pods)
}

// Wait returns when ok says so, or fails. It is asked with the pods of now, by name,
// again with each change. If the API server does not answer when ctx ends, the error
// says that.
func (t *Tracker) Wait(ctx context.Context, ok func(map[string]*corev1.Pod) (bool, error)) error {
	for {
		t.mu.Lock()
		done, err := ok(t.pods)
		changed, broken := t.changed, t.err
		t.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if broken != nil {
				return fmt.Errorf("%w: %w", ctx.Err(), broken)
			}
			return ctx.Err()
		}
	}
}
