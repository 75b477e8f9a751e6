package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestAwake: an attempt that ran out of time while the process stood still is made again;
// one that had its time, or was refused, is not.
func TestAwake(t *testing.T) {
	refused := errors.New("refused")
	for name, tc := range map[string]struct {
		lasts []time.Duration
		err   error
		want  error
		tries int
	}{
		"asleep":  {[]time.Duration{3 * time.Second, time.Millisecond}, os.ErrDeadlineExceeded, nil, 2},
		"no one":  {[]time.Duration{dialAttempt}, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, 1},
		"refused": {[]time.Duration{3 * time.Second}, refused, refused, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				_, err := awake(func(context.Context) (net.Conn, error) {
					time.Sleep(tc.lasts[tries])
					if tries++; tries == 2 {
						return nil, nil
					}
					return nil, tc.err
				}, dialAttempt)(t.Context())
				if !errors.Is(err, tc.want) || tries != tc.tries {
					t.Errorf("%d tries, %v", tries, err)
				}
			})
		})
	}
}
