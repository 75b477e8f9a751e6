package process

import (
	"context"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func TestExitLog(t *testing.T) {
	l := newExitLog(3)
	for code := range 5 {
		l.add(cluster.Exit{Code: code})
	}
	for _, c := range []struct{ from, want int }{{0, 2}, {2, 2}, {3, 3}, {4, 4}} {
		if e, number, ok := l.next(t.Context(), c.from); !ok || number != c.want || e.Code != c.want {
			t.Errorf("from %d: %+v", c.from, e)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, ok := l.next(ctx, 5); ok {
		t.Error("an exit that never was")
	}
	l.close()
	if _, _, ok := l.next(t.Context(), 5); ok {
		t.Error("an exit after the close")
	}
}
