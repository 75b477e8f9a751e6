package probe

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nftablesWorks makes a table with a counting rule in this network namespace,
// reads it back and takes it away.
func nftablesWorks() Check {
	if err := tryNFTables(); err != nil {
		return Check{Name: NFTables, Detail: err.Error(), Remedy: "load the kernel modules nf_tables and nf_tables_inet on the machine"}
	}
	return Check{Name: NFTables, OK: true, Detail: "a table with a counting rule was made and read back"}
}

func tryNFTables() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Name: "aftershock-probe", Family: nftables.TableFamilyINet})
	chain := conn.AddChain(&nftables.Chain{
		Name: "input", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}})
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("make a table: %w", err)
	}
	rules, err := conn.GetRules(table, chain)
	conn.DelTable(table)
	if err := errors.Join(err, conn.Flush()); err != nil {
		return fmt.Errorf("read the table and take it away: %w", err)
	}
	if len(rules) != 1 || len(rules[0].Exprs) != 2 {
		return fmt.Errorf("of one rule with two expressions, %d came back", len(rules))
	}
	return nil
}

// nfqueueWorks binds a queue in this network namespace, which the kernel
// unbinds with the socket. Whether rules can send packets there is not tried.
func nfqueueWorks() Check {
	if err := bindQueue(0); err != nil {
		return Check{Name: NFQueue, Detail: err.Error(), Remedy: "load the kernel module nfnetlink_queue on the machine; only slow, lossy or reordering links need it"}
	}
	return Check{Name: NFQueue, OK: true, Detail: "a queue was bound (no packet was sent through it)"}
}

// Of linux/netfilter/nfnetlink_queue.h.
const (
	nfqnlMsgConfig     = 2
	nfqaConfigCommand  = 1
	nfqnlConfigBind    = 1
	nfnetlinkVersion   = 0
	queueHeaderNetwork = unix.AF_UNSPEC
)

func bindQueue(queue uint16) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("connect to netfilter: %w", err)
	}
	defer conn.Close()
	command, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: nfqaConfigCommand, Data: []byte{nfqnlConfigBind, 0, 0, unix.AF_INET}},
	})
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	header := []byte{queueHeaderNetwork, nfnetlinkVersion, byte(queue >> 8), byte(queue)}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_QUEUE<<8 | nfqnlMsgConfig),
			Flags: netlink.Request | netlink.Acknowledge,
		},
		Data: append(header, command...),
	})
	if err != nil {
		return fmt.Errorf("bind queue %d: %w", queue, err)
	}
	return nil
}
