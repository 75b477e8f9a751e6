package kit

import (
	"context"
	"net"
	"time"

	"github.com/aftershock-chaos/aftershock/targets"
)

// DefaultTimeout bounds calls that nothing else bounds: neither their context nor
// a client's options.
const DefaultTimeout = 10 * time.Second

// DialFunc opens a connection.
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// Connecting makes of a client's options what its Connect needs: a context that
// ends with the connect time-out, and the way to dial. cancel must be called.
func Connecting(ctx context.Context, o targets.ClientOptions) (bounded context.Context, dial DialFunc, cancel context.CancelFunc) {
	cancel = func() {}
	if o.ConnectTimeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.ConnectTimeout)
	}
	if dial = o.Dialer; dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return ctx, dial, cancel
}

// OpTimeout is the time that each operation of a client has.
func OpTimeout(o targets.ClientOptions) time.Duration {
	if o.OpTimeout <= 0 {
		return DefaultTimeout
	}
	return o.OpTimeout
}

// Deadline is the end of an operation that begins now: after its time-out, or
// when ctx ends, if that is sooner.
func Deadline(ctx context.Context, timeout time.Duration) time.Time {
	deadline := time.Now().Add(timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		return d
	}
	return deadline
}

// Bound bounds what follows on conn by ctx: by its deadline, or by timeout if it
// has none. If ctx is cancelled, reads and writes under way return at once.
// release has to be called when the call is over.
func Bound(ctx context.Context, conn interface{ SetDeadline(t time.Time) error }, timeout time.Duration) (release func(), err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(timeout)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }, nil
}
