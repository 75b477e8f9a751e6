package nats

import (
	"context"
	"errors"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/history"
)

var errAnswer = errors.New("the server's answer is not understood")

// Codes of the JetStream API.
const (
	codeNotAvailable      jetstream.ErrorCode = 10008
	codeNoResources       jetstream.ErrorCode = 10023
	codeNoMessage         jetstream.ErrorCode = 10037
	codeNoStream          jetstream.ErrorCode = 10059
	codeTooLarge          jetstream.ErrorCode = 10054
	codeWrongLast         jetstream.ErrorCode = 10071
	codeWrongLastInFlight jetstream.ErrorCode = 10164
)

// refusals is the table of the server's errors that prove that a message was
// not stored and will not be. With replicas they are given by the leader
// before it proposes the message to its Raft group, but for wrong-last, which
// every replica finds alike when it applies the message. 10008 and 10059 answer
// calls of the API only, which store nothing. Not among them is 10077, the failure
// to store: another replica may have stored the message.
var refusals = map[jetstream.ErrorCode]history.Error{
	codeNotAvailable:      history.ErrNoQuorum,
	codeNoStream:          history.ErrGone,
	codeNoResources:       history.ErrBusy,
	codeTooLarge:          history.ErrServer,
	codeWrongLast:         history.ErrCompare,
	codeWrongLastInFlight: history.ErrCompare,
}

// classify tells what an error of a call that stores something says of the
// operation. An error that it does not know leaves it unknown.
func classify(err error) (history.Outcome, history.Error) {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return history.OK, history.ErrNone
	case errors.Is(err, driver.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		// The client's own server found nobody to give the message to: the
		// stream has no leader, or the server does not reach it.
		return history.Fail, history.ErrNoQuorum
	case errors.As(err, &api):
		if why, ok := refusals[api.ErrorCode]; ok {
			return history.Fail, why
		}
		return history.Unknown, history.ErrServer
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, driver.ErrTimeout):
		return history.Unknown, history.ErrTimeout
	case errors.Is(err, driver.ErrConnectionClosed), errors.Is(err, driver.ErrDisconnected), errors.Is(err, driver.ErrStaleConnection):
		return history.Unknown, history.ErrConnLost
	}
	return history.Unknown, history.ErrServer
}

// classifyRead is classify for calls that change nothing: an answer that is no
// value ends the operation.
func classifyRead(err error) (history.Outcome, history.Error) {
	outcome, why := classify(err)
	if outcome == history.Unknown && why == history.ErrServer {
		outcome = history.Fail
	}
	return outcome, why
}

// orGone is err, or, of a final operation that nobody took, the JetStream API's
// word that the stream does not exist, if that is its word: nobody takes a
// message for a stream without a leader either.
func (c *Client) orGone(ctx context.Context, op *history.Op, stream string, err error) error {
	if !op.Final() || !errors.Is(err, driver.ErrNoResponders) {
		return err
	}
	_, said := streamInfo(ctx, c.conn, stream)
	var api *jetstream.APIError
	if errors.As(said, &api) && api.ErrorCode == codeNoStream {
		return said
	}
	return err
}
