package network

import (
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// leaseName is the set on whose elements, one for each network protocol, all
// rules depend. They have a time-out: the kernel itself heals the node when
// nobody renews them, even if agent and harness are gone or stand still.
const leaseName = "lease"

const (
	renewals = 5 // a lease
	// clockGrain is how much earlier than asked the kernel may let an element go.
	clockGrain = 20 * time.Millisecond
)

// lapses keeps for how long the rules of each fault were not in force.
type lapses struct {
	byID map[string]time.Duration
	last Lapse
}

// Lapse is a time for which rules were not in force as nobody renewed them.
type Lapse struct {
	Count       int // of lapses so far
	From, Until time.Time
}

func (l *lapses) take(id string) time.Duration {
	d := l.byID[id]
	delete(l.byID, id)
	return d
}

func (l *lapses) add(ids []string, from, until time.Time) {
	if l.byID == nil {
		l.byID = map[string]time.Duration{}
	}
	for _, id := range ids {
		l.byID[id] += until.Sub(from)
	}
	l.last = Lapse{Count: l.last.Count + 1, From: from, Until: until}
}

// RenewEvery is how often Renew is to be called.
func (f *Firewall) RenewEvery() time.Duration { return f.lease / renewals }

// Lapse is the last time for which the rules were not in force; its Count is 0
// if there was none.
func (f *Firewall) Lapse() Lapse {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lapses.last
}

// Renew keeps the rules in force until the lease has run out since the harness was
// last heard of. If they lapsed meanwhile, or somebody else removed them, they are
// in force again and Lapse tells it.
func (f *Firewall) Renew() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.installed.empty() && !f.bare {
		return nil
	}
	if err := f.openLocked(); err != nil {
		return err
	}
	if f.installed.empty() {
		return f.apply(f.installed)
	}
	from := f.until.Add(-clockGrain)
	until, err := f.addElements()
	if err == nil {
		err = f.conn.Flush()
	}
	if err != nil { // the table may be gone
		from = f.until.Add(-f.lease) // as it may have been since the last time
		_ = f.closeOnError("renew the rules", err)
		if err := f.openLocked(); err != nil {
			return err
		}
		if err := f.apply(f.installed); err != nil {
			return err
		}
		f.lapses.add(f.installed.ids(), from, time.Now())
		return nil
	}
	f.until = until
	if now := time.Now(); now.After(from) {
		f.lapses.add(f.installed.ids(), from, now)
	}
	return nil
}

func (f *Firewall) leaseSet() *nftables.Set {
	return &nftables.Set{ID: 1, Table: f.table(), Name: leaseName, KeyType: nftables.TypeNFProto, HasTimeout: true}
}

// addLease adds to the transaction the set with fresh elements, and returns when
// they will be gone.
func (f *Firewall) addLease() (time.Time, error) {
	if err := f.conn.AddSet(f.leaseSet(), nil); err != nil {
		return time.Time{}, err
	}
	return f.addElements()
}

// addElements adds to the transaction fresh elements of the set that is there. They
// replace the old ones in the same instant.
func (f *Firewall) addElements() (time.Time, error) {
	until := f.heard().Add(f.lease)
	left := max(time.Until(until), time.Millisecond)
	set := f.leaseSet()
	f.conn.FlushSet(set)
	return until, f.conn.SetAddElements(set, []nftables.SetElement{
		{Key: []byte{unix.NFPROTO_IPV4}, Timeout: left},
		{Key: []byte{unix.NFPROTO_IPV6}, Timeout: left},
	})
}
