package network

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Firewall keeps the kernel's table in step with the faults in effect.
//
// The table "aftershock" has one chain for each direction. First comes an accept
// of everything once the lease has run out, see lease.go; then accepts for
// loopback and the control channel; then, for each fault, counters of what it
// matches; then the drops of all; then what is left goes to queues, see queue.go.
// Its chains are emptied and filled in one
// netlink transaction, which the kernel makes visible at once, so packets see
// either the old rules or the new.
type Firewall struct {
	controlPort uint16
	lease       time.Duration
	heard       func() time.Time // when the harness was last heard of

	mu        sync.Mutex
	installed ruleSet // what the kernel holds
	conn      *nftables.Conn
	until     time.Time // when the kernel lets the rules lapse, if nobody renews them
	lapses    lapses
	// bare: the table is there without a rule. With its hooks the kernel would drop
	// every packet that a queue of the network holds; Renew takes it away later.
	bare   bool
	compat bool // the kernel has no queues of nftables' own, but iptables' target
}

// NewFirewall returns a firewall without rules. What goes to and from the
// agent's control port it will never drop. Its rules end by themselves when
// nobody was heard of for the lease. It does no I/O.
func NewFirewall(controlPort uint16, lease time.Duration, heard func() time.Time) *Firewall {
	return &Firewall{controlPort: controlPort, lease: lease, heard: heard, installed: newRuleSet()}
}

// ControlPort is the port that no rule touches.
func (f *Firewall) ControlPort() uint16 { return f.controlPort }

const tableName = "aftershock"

func (f *Firewall) table() *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
}

func (f *Firewall) chains() (in, out *nftables.Chain) {
	policy := nftables.ChainPolicyAccept
	chain := func(name string, hook *nftables.ChainHook) *nftables.Chain {
		return &nftables.Chain{
			Name: name, Table: f.table(), Type: nftables.ChainTypeFilter,
			Hooknum: hook, Priority: nftables.ChainPriorityFilter, Policy: &policy,
		}
	}
	return chain("input", nftables.ChainHookInput), chain("output", nftables.ChainHookOutput)
}

// Connect opens the connection to nftables. It is called ahead of the instant
// of a block: the first use may have to load kernel modules.
func (f *Firewall) Connect() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.openLocked()
}

// openLocked opens the connection if it is not open. The caller holds mu.
func (f *Firewall) openLocked() error {
	if f.conn != nil {
		return nil
	}
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return explainFirewall("connect to nftables", err)
	}
	if _, err := conn.ListTablesOfFamily(nftables.TableFamilyINet); err != nil {
		_ = conn.CloseLasting()
		return explainFirewall("ask nftables", err)
	}
	f.conn = conn
	return nil
}

// addCounters returns the installed rules with the kernel's counters, which the
// next apply replaces, added to their counts.
func (f *Firewall) addCounters() (ruleSet, error) {
	totals := f.installed.clone()
	if len(totals.byID) == 0 {
		return totals, nil // what is queued counts for itself
	}
	in, out := f.chains()
	for _, chain := range []*nftables.Chain{in, out} {
		list, err := f.conn.GetRules(f.table(), chain)
		if err != nil {
			return ruleSet{}, f.closeOnError("read the counters of chain "+chain.Name, err)
		}
		for _, rule := range list {
			for _, e := range rule.Exprs {
				if c, ok := e.(*expr.Counter); ok && len(rule.UserData) > 0 {
					totals.dropped[string(rule.UserData)] += c.Packets
				}
			}
		}
	}
	return totals, nil
}

// closeOnError wraps err with the step and closes the connection, on which
// answers to what failed may still arrive. A nil err is returned as it is.
func (f *Firewall) closeOnError(step string, err error) error {
	if err == nil {
		return nil
	}
	_ = f.conn.CloseLasting()
	f.conn = nil
	return explainFirewall(step, err)
}

// apply makes the kernel hold next.
func (f *Firewall) apply(next ruleSet) error {
	table := f.conn.AddTable(f.table())
	if next.empty() {
		return f.removeAll(table)
	}
	until, err := f.addLease()
	if err != nil {
		return f.closeOnError("lend the rules", err)
	}
	in, out := f.chains()
	for _, chain := range []*nftables.Chain{in, out} {
		f.conn.AddChain(chain)
		f.conn.FlushChain(chain)
	}
	add := func(input bool, userData string, exprs ...[]expr.Any) {
		chain := out
		if input {
			chain = in
		}
		var all []expr.Any
		for _, e := range exprs {
			all = append(all, e...)
		}
		f.conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: all, UserData: []byte(userData)})
	}
	for _, input := range []bool{true, false} {
		add(input, "", matchLapsed(), verdict(expr.VerdictAccept))
		add(input, "", matchLoopback(input), verdict(expr.VerdictAccept))
		add(input, "", matchControlPort(input, f.controlPort), verdict(expr.VerdictAccept))
	}
	for _, c := range next.counters() {
		add(c.in, c.id, matchPeer(c.match), []expr.Any{&expr.Counter{}})
	}
	for _, m := range next.drops() {
		add(m.in, "", matchPeer(m), verdict(expr.VerdictDrop))
	}
	for _, q := range next.queues.to {
		add(q.In, "", matchPeer(match{q.Peer, q.In}), matchUnmarked(), f.queueing(q.Number))
	}
	if err := f.closeOnError("replace the rules", f.conn.Flush()); err != nil {
		return err
	}
	f.until, f.bare = until, false
	return nil
}

// removeAll takes all rules away and, unless a queue may hold packets, the table.
func (f *Firewall) removeAll(table *nftables.Table) error {
	f.until = time.Time{}
	f.bare = len(f.installed.queues.to) > 0
	if !f.bare {
		f.conn.DelTable(table)
		return f.closeOnError("remove the rules", f.conn.Flush())
	}
	in, out := f.chains()
	for _, chain := range []*nftables.Chain{in, out} {
		f.conn.AddChain(chain)
		f.conn.FlushChain(chain)
	}
	return f.closeOnError("remove the rules", f.conn.Flush())
}

// Clear removes a table that an agent before this one has left: one that was
// killed, in a network that outlives it.
func (f *Firewall) Clear() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.openLocked(); err != nil {
		return err
	}
	return f.apply(newRuleSet())
}

// Close removes the rules and ends the connection.
func (f *Firewall) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		return nil
	}
	if !f.installed.empty() || f.bare {
		f.installed = newRuleSet()
		if err := f.apply(f.installed); err != nil {
			return err
		}
	}
	conn := f.conn
	f.conn = nil
	return conn.CloseLasting()
}

// explainFirewall names the remedy of an error of nftables.
func explainFirewall(step string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: %w: give the node CAP_NET_ADMIN", step, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s: %w: the kernel has no nftables; load the module nf_tables on the machine", step, err)
	}
	return fmt.Errorf("%s: %w", step, err)
}
