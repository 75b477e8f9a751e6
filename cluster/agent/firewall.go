package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// rules keeps the kernel's table in step with the faults in effect.
//
// The table "aftershock" has one chain for each direction. First come accepts
// for loopback and the control channel; then, for each fault, counters of what
// it matches; then the drops of all. Its chains are emptied and filled in one
// netlink transaction, which the kernel makes visible at once, so packets see
// either the old rules or the new.
type rules struct {
	controlPort uint16

	mu   sync.Mutex
	set  ruleSet
	conn *nftables.Conn
}

func newRules(controlPort uint16) *rules {
	return &rules{controlPort: controlPort, set: newRuleSet()}
}

const tableName = "aftershock"

func (r *rules) table() *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
}

func (r *rules) chains() (in, out *nftables.Chain) {
	policy := nftables.ChainPolicyAccept
	chain := func(name string, hook *nftables.ChainHook) *nftables.Chain {
		return &nftables.Chain{
			Name: name, Table: r.table(), Type: nftables.ChainTypeFilter,
			Hooknum: hook, Priority: nftables.ChainPriorityFilter, Policy: &policy,
		}
	}
	return chain("input", nftables.ChainHookInput), chain("output", nftables.ChainHookOutput)
}

// ready opens the connection to nftables ahead of the instant: the first use
// may have to load kernel modules.
func (r *rules) ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open()
}

func (r *rules) open() error {
	if r.conn != nil {
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
	r.conn = conn
	return nil
}

// block adds the rules of a fault, to those that it has already.
func (r *rules) block(id string, added []cluster.Rule) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.open(); err != nil {
		return false, err
	}
	if err := r.set.check(id, added); err != nil {
		return false, err
	}
	counted, err := r.counts()
	if err != nil {
		return false, err
	}
	next := counted.with(id, added)
	if err := r.apply(next); err != nil {
		return false, err
	}
	r.set = next
	return len(added) > 0, nil
}

// unblock takes a fault's rules away and returns how many packets they matched.
func (r *rules) unblock(id string) (dropped uint64, changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.set.has(id) {
		return 0, false, nil
	}
	if err := r.open(); err != nil {
		return 0, false, err
	}
	counted, err := r.counts()
	if err != nil {
		return 0, false, err
	}
	next := counted.without(id)
	if err := r.apply(next); err != nil {
		return 0, false, err
	}
	r.set = next
	return counted.dropped[id], true, nil
}

// counts returns the set with the kernel's counters, which the next apply
// replaces, added up.
func (r *rules) counts() (ruleSet, error) {
	totals := r.set.clone()
	if len(totals.byID) == 0 {
		return totals, nil
	}
	in, out := r.chains()
	for _, chain := range []*nftables.Chain{in, out} {
		list, err := r.conn.GetRules(r.table(), chain)
		if err != nil {
			return ruleSet{}, r.failed("read the counters of chain "+chain.Name, err)
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

// failed drops the connection, on which answers may still be under way.
func (r *rules) failed(step string, err error) error {
	if err == nil {
		return nil
	}
	_ = r.conn.CloseLasting()
	r.conn = nil
	return explainFirewall(step, err)
}

// apply makes the kernel hold next.
func (r *rules) apply(next ruleSet) error {
	table := r.conn.AddTable(r.table())
	if len(next.byID) == 0 {
		r.conn.DelTable(table)
		return r.failed("take the rules away", r.conn.Flush())
	}
	in, out := r.chains()
	for _, chain := range []*nftables.Chain{in, out} {
		r.conn.AddChain(chain)
		r.conn.FlushChain(chain)
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
		r.conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: all, UserData: []byte(userData)})
	}
	for _, input := range []bool{true, false} {
		add(input, "", onLoopback(input), verdict(expr.VerdictAccept))
		add(input, "", onControlPort(input, r.controlPort), verdict(expr.VerdictAccept))
	}
	for _, c := range next.counters() {
		add(c.in, c.id, fromOrTo(c.match), []expr.Any{&expr.Counter{}})
	}
	for _, m := range next.drops() {
		add(m.in, "", fromOrTo(m), verdict(expr.VerdictDrop))
	}
	return r.failed("replace the rules", r.conn.Flush())
}

// close ends the connection. The table goes with the node's network namespace.
func (r *rules) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil
	}
	conn := r.conn
	r.conn = nil
	return conn.CloseLasting()
}

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

func equal(value []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}
}

func onLoopback(input bool) []expr.Any {
	key := expr.MetaKeyOIFNAME
	if input {
		key = expr.MetaKeyIIFNAME
	}
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, "lo")
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, equal(name)}
}

// onControlPort matches TCP to the agent on its way in, and from it on its way
// out, not the reverse: only the agent listens there.
func onControlPort(input bool, port uint16) []expr.Any {
	offset := uint32(0) // source port
	if input {
		offset = 2 // destination port
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		equal([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		equal(binaryutil.BigEndian.PutUint16(port)),
	}
}

// fromOrTo matches the packets of one direction by the peer's address, at its
// place in the header of RFC 791 or RFC 8200.
func fromOrTo(m match) []expr.Any {
	family, source, destination := byte(unix.NFPROTO_IPV4), uint32(12), uint32(16)
	if m.peer.Is6() {
		family, source, destination = unix.NFPROTO_IPV6, 8, 24
	}
	offset := destination
	if m.in {
		offset = source
	}
	address := m.peer.AsSlice()
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		equal([]byte{family}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address))},
		equal(address),
	}
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

// probe makes a TCP connection under the node's rules and closes it.
func probe(ctx context.Context, addr netip.AddrPort, timeout time.Duration) error {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return err
	}
	return conn.Close()
}
