package undo

import "sync"

// gate lets operations through until the power goes.
type gate struct {
	mu    sync.RWMutex // read: an operation; write: the instant of the cut
	shut  bool
	freed chan struct{} // closed when blocked operations may fail
}

// Enter begins an operation, which Leave ends. After Shut none begins: it waits
// until Free and is refused, so that nothing is answered that the dead could have
// heard.
func (g *gate) Enter() bool {
	g.mu.RLock()
	if !g.shut {
		return true
	}
	freed := g.freed
	g.mu.RUnlock()
	<-freed
	return false
}

// Leave ends an operation.
func (g *gate) Leave() { g.mu.RUnlock() }

// Shut is the instant at which the power goes: operations under way end, none
// begins. It tells false if it was shut already.
func (g *gate) Shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.shut, g.freed = true, make(chan struct{})
	return true
}

// Free lets the operations that wait fail. Whoever asked for them is dead by now.
func (g *gate) Free() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		close(g.freed)
	}
}

// open lets operations through again.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}
