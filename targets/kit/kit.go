// Package kit is what the targets share: waiting, kept connections, options,
// finding a server's program and becoming it.
package kit

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
)

// Each calls f for every node at once and returns the first node's error.
func Each(nodes []*cluster.Node, f func(i int) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Retry calls f again and again, with a pause of every between, until it
// succeeds or ctx ends. The error then tells what was waited for and f's last.
func Retry(ctx context.Context, every time.Duration, what string, f func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (last: %w); the node's log says why", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Address is where clients and the other nodes reach a port of a node.
func Address(n *cluster.Node, port int) string {
	return net.JoinHostPort(n.Addr.String(), strconv.Itoa(port))
}

// AppendKey appends the name of op's key: a letter for what it is (r register or
// counter, s set, m marker,
// q queue, l list, i unique numbers, b bank account), the workload, a dot and the key, so that two
// workloads of a plan never meet: "r0.17".
func AppendKey(b []byte, op *history.Op) []byte {
	b = append(b, Prefix(op.Kind))
	b = strconv.AppendUint(b, uint64(op.Workload), 10)
	b = append(b, '.')
	return strconv.AppendUint(b, uint64(op.Key), 10)
}

// Prefix is the letter of the keys that a kind of operation uses.
func Prefix(k history.Kind) byte {
	switch k {
	case history.Add, history.ReadSet:
		return 's'
	case history.Mark, history.Poll:
		return 'm'
	case history.Enqueue, history.Dequeue, history.Drain:
		return 'q'
	case history.Txn:
		return 'l'
	case history.Generate:
		return 'i'
	case history.Transfer, history.Balances:
		return 'b'
	}
	return 'r'
}

// Refuse ends op as Fail: the error proves that nothing happened.
func Refuse(op *history.Op, why history.Error) { op.Outcome, op.Error = history.Fail, why }

// Doubt ends op as Unknown.
func Doubt(op *history.Op, why history.Error) { op.Outcome, op.Error = history.Unknown, why }
