package ripple

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/aftershock-chaos/aftershock/targets/ripple/server"
)

// Serve runs one node until SIGTERM or SIGINT, the end of ctx or the node's
// failure: what `aftershock ripple` does.
func Serve(ctx context.Context, o server.Options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s, err := server.New(o)
	if err != nil {
		return fmt.Errorf("ripple: %w", err)
	}
	if err := s.Start(); err != nil {
		return errors.Join(fmt.Errorf("ripple: %w", err), s.Close())
	}
	select {
	case <-ctx.Done():
	case <-s.Done():
	}
	if err := errors.Join(s.Err(), s.Close()); err != nil {
		return fmt.Errorf("ripple: %w", err)
	}
	return nil
}
