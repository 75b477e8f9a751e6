package kit

import (
	"errors"
	"net"
	"strconv"

	"github.com/aftershock-chaos/aftershock/history"
)

// Begin prepares op for a client's call: its outcome is unknown until something
// is known of it. It reports whether op can be sent; on a broken connection it
// cannot, and is refused.
func Begin(op *history.Op, broken bool) bool {
	op.Outcome, op.Error = history.Unknown, history.ErrNone
	op.Flags &^= history.Seen
	if broken {
		Refuse(op, history.ErrConnect)
	}
	return !broken
}

// Refuse ends op as Fail: the error proves that nothing happened.
func Refuse(op *history.Op, why history.Error) { op.Outcome, op.Error = history.Fail, why }

// Doubt ends op as Unknown.
func Doubt(op *history.Op, why history.Error) { op.Outcome, op.Error = history.Unknown, why }

// DoubtConn ends op as Unknown by an error of its connection: no answer came in
// time, or the connection is lost. An answer may still come on it, and must not
// be taken for the next call's: the caller gives the connection up.
func DoubtConn(op *history.Op, err error) {
	Doubt(op, history.ErrConnLost)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		op.Error = history.ErrTimeout
	}
}

// AppendKey appends the name of op's key: the Prefix of its kind, the workload, a
// dot and the key, so that two workloads of a plan never meet: "r0.17".
func AppendKey(b []byte, op *history.Op) []byte { return appendKey(b, op, op.Key) }

// KeyOf is the name of another key of op's workload and kind.
func KeyOf(op *history.Op, key uint32) []byte { return appendKey(nil, op, key) }

func appendKey(b []byte, op *history.Op, key uint32) []byte {
	b = append(b, Prefix(op.Kind))
	b = strconv.AppendUint(b, uint64(op.Workload), 10)
	b = append(b, '.')
	return strconv.AppendUint(b, uint64(key), 10)
}

// Prefix is the letter of the keys that a kind of operation uses: r register or
// counter, s set, m marker, q queue, l list, i unique numbers, b bank account.
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
