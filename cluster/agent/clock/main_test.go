package clock_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster/agent/internal/nodetest"
)

func TestMain(m *testing.M) {
	if os.Getenv("CLOCK_CHILD") != "" {
		tellTime()
	}
	nodetest.Main(m)
}

// tellTime writes lines of the monotonic clock and of the wall clock as three functions tell
// it, in nanoseconds, for ever.
func tellTime() {
	for {
		var mono unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) // a system call, which is never shifted
		now := time.Now().UnixNano()
		fmt.Println(mono.Nano(), now, now, now/1e9*1e9)
		time.Sleep(2 * time.Millisecond)
	}
}
