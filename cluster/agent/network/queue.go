package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// Unqueued is the mark of packets that no rule sends to a queue: those that whoever
// reads the queues sends itself.
const Unqueued = 0xaf7e

// Queued sends one direction of one peer's packets to an NFQUEUE of the node,
// unless a rule drops them. Where nobody reads the queue they pass it by.
type Queued struct {
	Peer   netip.Addr // neither mapped nor with a zone
	In     bool       // what comes from the peer; else what goes to it
	Number uint16
}

// queues is what goes to queues, and the faults on behalf of which.
type queues struct {
	ids []string
	to  []Queued
}

// Queue makes to all that is sent to queues, at once, on behalf of the faults ids:
// what it replaces is over. Like drops it ends with the lease, outlives the servers
// and touches neither loopback nor the control channel.
func (f *Firewall) Queue(ids []string, to []Queued) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(to) > maxRules {
		return fmt.Errorf("too many network rules in one node: %d, at most %d", len(to), maxRules)
	}
	if err := f.openLocked(); err != nil {
		return err
	}
	next, err := f.addCounters()
	if err != nil {
		return err
	}
	next.queues = queues{ids, to}
	if err := f.apply(next); err != nil {
		return err
	}
	f.installed = next
	return nil
}

// Lapsed takes for how long what is queued on behalf of a fault was not in force.
func (f *Firewall) Lapsed(id string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lapses.take(id)
}

// CanQueue tries in a table of its own, which is never there for a packet to see,
// whether the kernel can send packets to queues, and remembers how. The error names
// the remedy.
func (f *Firewall) CanQueue() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.openLocked(); err != nil {
		return err
	}
	native := f.tryQueue(false)
	if native == nil {
		f.compat = false
		return nil
	}
	if errors.Is(native, unix.EPERM) {
		return explainFirewall("send packets to a queue", native)
	}
	if err := f.tryQueue(true); err != nil {
		return fmt.Errorf("send packets to a queue: nftables: %w; by iptables' target: %w: load the kernel module nft_queue (or nft_compat and xt_NFQUEUE) on the machine", native, err)
	}
	f.compat = true
	return nil
}

func (f *Firewall) tryQueue(compat bool) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := conn.AddTable(&nftables.Table{Name: tableName + "-try", Family: nftables.TableFamilyINet})
	chain := conn.AddChain(&nftables.Chain{Name: "input", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: queueExprs(1, compat)})
	conn.DelTable(table)
	return conn.Flush()
}

func (f *Firewall) queueing(number uint16) []expr.Any { return queueExprs(number, f.compat) }

// queueExprs send to a queue; where nobody reads it, packets go on.
func queueExprs(number uint16, compat bool) []expr.Any {
	if !compat {
		return []expr.Any{&expr.Queue{Num: number, Total: 1, Flag: expr.QueueFlagBypass}}
	}
	// struct xt_NFQ_info_v3: number, how many, flags (NFQ_FLAG_BYPASS), padded to 8 bytes.
	info := binary.NativeEndian.AppendUint16(nil, number)
	info = binary.NativeEndian.AppendUint16(info, 1)
	info = binary.NativeEndian.AppendUint16(info, 1)
	raw := xt.Unknown(append(info, 0, 0))
	return []expr.Any{&expr.Target{Name: "NFQUEUE", Rev: 3, Info: &raw}}
}

// matchUnmarked matches what does not bear the mark Unqueued.
func matchUnmarked() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binary.NativeEndian.AppendUint32(nil, Unqueued)},
	}
}
