package undo

import (
	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// join makes two names become durable together.
func join(a, b *rec) {
	if a.with == b.with {
		return
	}
	a.with.recs = append(a.with.recs, b.with.recs...)
	for _, r := range b.with.recs {
		r.with = a.with
	}
}

// dropDir forgets a directory that is removed for good.
func (n *names) dropDir(ino uint64) {
	if d := n.dirs[ino]; d != nil {
		for _, r := range d.recs {
			n.settle(r)
		}
		n.forgetDir(d)
	}
}

func (n *names) forgetDir(d *dir) {
	_ = unix.Close(d.fd)
	delete(n.dirs, d.ino)
}

// settle makes one name durable as it is.
func (n *names) settle(r *rec) {
	delete(r.dir.recs, r.name)
	if r.durable == 0 {
		return
	}
	if n.refs[r.durable]--; n.refs[r.durable] > 0 {
		return
	}
	delete(n.refs, r.durable)
	kept := n.stashed[r.durable]
	if kept == "" {
		return
	}
	delete(n.stashed, r.durable)
	n.discard(kept, r.durable)
}

// discard removes what is in the stash.
func (n *names) discard(name string, ino uint64) {
	n.dropDir(ino)
	_ = removeAll(n.stash, name)
	n.s.gone(ino)
}

// syncFile is what a sync of a file means for names: a journal writes all that
// came before.
func (n *names) syncFile() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mode != cluster.NamesOrdered {
		return
	}
	n.settleAll()
}

func (n *names) settleAll() {
	for len(n.dirs) > 0 { // what is discarded may take directories with it
		for _, d := range n.dirs {
			for _, r := range d.recs {
				n.settle(r)
			}
			if n.dirs[d.ino] == d {
				n.forgetDir(d)
			}
			break
		}
	}
}

// SyncDir makes the names of a directory durable.
func (s *Store) SyncDir(path string) error {
	s.syncs.Add(1)
	n := &s.names
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mode == cluster.NamesOrdered {
		n.settleAll()
		return nil
	}
	in, err := openAt(path)
	if err != nil {
		return err
	}
	defer in.close()
	d := n.dirs[in.ino]
	if d == nil {
		return nil
	}
	touched := map[*dir]bool{d: true}
	for _, r := range d.recs {
		for _, also := range r.with.recs {
			if also.dir.recs[also.name] == also {
				touched[also.dir] = true
				n.settle(also)
			}
		}
	}
	for d := range touched {
		if len(d.recs) == 0 && n.dirs[d.ino] == d {
			n.forgetDir(d)
		}
	}
	return nil
}

// Links is how many names a file has, as seen from outside: not the stash's.
func (s *Store) Links(ino uint64, links uint64) uint64 {
	n := &s.names
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stashed[ino] != "" && links > 0 {
		return links - 1
	}
	return links
}
