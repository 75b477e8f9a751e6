package probe

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/link"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
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

// nfqueueWorks sends packets of this network namespace to a queue, by a rule that no
// packet sees, and binds queues, which the kernel unbinds with the socket.
func nfqueueWorks() Check {
	firewall := network.NewFirewall(cluster.ControlPort, cluster.DefaultLease, time.Now)
	links := link.New(firewall)
	err := links.Can()
	if err = errors.Join(err, links.Close(), firewall.Close()); err != nil {
		return Check{Name: NFQueue, Detail: err.Error(), Remedy: "load the kernel modules nfnetlink_queue and nft_queue (or nft_compat and xt_NFQUEUE) on the machine; only the fault link and wan need them"}
	}
	return Check{Name: NFQueue, OK: true, Detail: "a rule that sends packets to a queue was made, and queues were bound (no packet was sent through them)"}
}

// resetWorks asks the kernel to end a connection that there is not.
func resetWorks() Check {
	if err := link.CanReset(); err != nil {
		return Check{Name: Resets, Detail: err.Error(), Remedy: "load the kernel modules inet_diag and tcp_diag, of a kernel with CONFIG_INET_DIAG_DESTROY; only the fault reset needs them"}
	}
	return Check{Name: Resets, OK: true, Detail: "the kernel ends connections when it is asked to (none was ended)"}
}
