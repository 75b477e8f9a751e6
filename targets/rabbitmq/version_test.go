package rabbitmq

import (
	"errors"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/targets"
)

// TestMirrorsByVersion: what a version cannot do is refused with a remedy, and
// what is not known yet is not.
func TestMirrorsByVersion(t *testing.T) {
	for text, refused := range map[string]bool{"": false, "3.10": false, "3.13.7": false, "3": false, "4.0": true, "4": true, "4.1.2": true} {
		for queue, cannot := range map[string]bool{mirrored: refused, quorum: false, classic: false} {
			v, _ := version.Find(text)
			_, err := Target{}.Configure(targets.Config{Replicas: 2, Version: v, Options: map[string]string{optQueue: queue}})
			if errors.Is(err, targets.ErrVersion) != cannot || (err != nil) != cannot {
				t.Errorf("%s in version %q: %v", queue, text, err)
			}
			if cannot && (!strings.Contains(err.Error(), "has no mirrored queues") || !strings.Contains(err.Error(), `"3.10"`)) {
				t.Errorf("the remedy is missing: %v", err)
			}
		}
	}
}
