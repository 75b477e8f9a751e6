package agent

import (
	"runtime"

	"github.com/aftershock-chaos/aftershock/cluster/agent/urgent"
)

// runUrgently runs f on an urgent.Thread of its own, so that a busy node does not
// put its faults off. The thread ends with f.
func runUrgently[T any](f func() (T, error)) (value T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: no other goroutine shall inherit the class
		urgent.Thread()
		value, err = f()
	}()
	<-done
	return value, err
}
