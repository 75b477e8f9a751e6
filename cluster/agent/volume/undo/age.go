package undo

import (
	"maps"
	"slices"
)

// Age makes durable all that was written before it, but for pages whose sync failed: what
// nobody syncs a machine's kernel writes within half a minute. Operations may go on
// meanwhile; what they write is not meant.
func (s *Store) Age() {
	s.mu.Lock()
	files := slices.Collect(maps.Values(s.files))
	s.mu.Unlock()
	for _, f := range files {
		f.syncing.Lock() // what a sync has under way is its own
		f.mu.Lock()
		f.written()
		f.settle()
		f.mu.Unlock()
		f.syncing.Unlock()
	}
	s.names.mu.Lock()
	s.names.settleAll()
	s.names.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		s.drop(f)
	}
}
