package harness

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
)

// TestActors: they live until stop, whoever ends before; only a vital one's
// error is the run's.
func TestActors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed []error
		a := newActors(t.Context(), slog.New(slog.DiscardHandler), func(err error) { failed = append(failed, err) })
		ended := 0
		a.start(
			actor{name: "short", run: silent(func(context.Context) {})},
			actor{name: "broken", run: func(context.Context) error { return errors.New("of no consequence") }},
		)
		a.start(actor{name: "long", run: silent(func(ctx context.Context) { <-ctx.Done(); ended++ })})
		synctest.Wait()
		if ended != 0 || failed != nil {
			t.Errorf("%d ended before the stop, failed %v", ended, failed)
		}
		lost := errors.New("lost")
		a.start(actor{name: "vital", run: func(context.Context) error { return lost }, vital: true})
		synctest.Wait()
		if ended != 0 || len(failed) != 1 || !errors.Is(failed[0], lost) {
			t.Errorf("%d ended, failed %v", ended, failed)
		}
		a.stop()
		a.stop()
		if ended != 1 {
			t.Error("stop did not wait")
		}
	})
}
