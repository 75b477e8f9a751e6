package harness

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/internal/failure"
)

// TestUnknownHost: a plan made in Go can name any host; the run says which there are.
func TestUnknownHost(t *testing.T) {
	_, err := chooseHost(t.Context(), "dokcer", slog.New(slog.DiscardHandler))
	if !errors.Is(err, failure.ErrInput) || !strings.Contains(err.Error(), `did you mean "docker"?`) {
		t.Errorf("got %v", err)
	}
}
