package mariadb

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/targets/kit"
)

func TestSuperviseStartsAnAbortedServerAgain(t *testing.T) {
	starts := 0
	err := supervise(t.Context(), func() ([]string, error) {
		starts++
		if starts == 1 {
			return []string{"/bin/sh", "-c", "kill -ABRT $$"}, nil
		}
		return []string{"/bin/sh", "-c", "exit 3"}, nil
	})
	if starts != 2 || err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%d starts, %v", starts, err)
	}
}

func TestSuperviseLeavesOtherEndsAlone(t *testing.T) {
	for script, want := range map[string]string{"exit 0": "", "exit 1": "exit status 1", "kill -KILL $$": "killed"} {
		starts := 0
		err := supervise(t.Context(), func() ([]string, error) {
			starts++
			return []string{"/bin/sh", "-c", script}, nil
		})
		if starts != 1 || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d starts, %v", script, starts, err)
		}
	}
}

// A graceful stop reaches the server and waits for it, and an abort on the way
// down is no reason to start it again.
func TestSuperviseHandsTheStopOn(t *testing.T) {
	dir := t.TempDir()
	ready, stopped := filepath.Join(dir, "ready"), filepath.Join(dir, "stopped")
	ctx, stop := context.WithCancel(t.Context())
	starts := 0
	end := make(chan error, 1)
	go func() {
		end <- supervise(ctx, func() ([]string, error) {
			starts++
			return []string{"/bin/sh", "-c", "trap 'sleep 0.1; echo > " + strconv.Quote(stopped) + "; kill -ABRT $$' TERM; echo > " +
				strconv.Quote(ready) + "; while :; do sleep 0.01; done"}, nil
		})
	}()
	bounded, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := kit.Retry(bounded, 5*time.Millisecond, "wait for the server", func() error {
		_, err := os.Stat(ready)
		return err
	})
	stop()
	if ended := <-end; ended != nil || err != nil || starts != 1 {
		t.Errorf("%d starts, %v, %v", starts, ended, err)
	}
	if _, err := os.Stat(stopped); err != nil {
		t.Errorf("it was not waited for: %v", err)
	}
}
