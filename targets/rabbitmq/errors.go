package rabbitmq

import (
	"errors"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/aftershock-chaos/aftershock/history"
)

// step is how far an operation had come when it failed.
type step bool

const (
	// beforehand: nothing that concerns a message had been sent.
	beforehand step = false
	// sent: a message, a get or an acknowledgement may have reached the server.
	sent step = true
)

var (
	// errAck is wrapped by the error of an acknowledgement that could not be sent.
	errAck = errors.New("send the acknowledgement")
	// errBody is wrapped by the error of a message that nobody here has sent.
	errBody = errors.New("the message is no number")
)

// fail ends op. What fails beforehand proves that no message was touched;
// after that nothing proves it: the server closes the channel also for errors
// that it found while working on the operation.
func (c *Client) fail(op *history.Op, at step, err error) {
	c.broken = true // an error of AMQP closes the channel at least
	op.Outcome, op.Error = classify(at, c.late.Load(), err)
}

// classes says what the server's codes mean.
var classes = []struct {
	code int
	err  history.Error
}{
	{amqp.ConnectionForced, history.ErrConnLost}, // the server shuts down
	{amqp.ContentTooLarge, history.ErrServer},
	{amqp.AccessRefused, history.ErrServer},
	{amqp.NotFound, history.ErrNoQuorum}, // the node that has the queue is away; see noQueue
	{amqp.ResourceLocked, history.ErrServer},
	{amqp.PreconditionFailed, history.ErrServer},
	{amqp.ResourceError, history.ErrBusy},
	{amqp.InternalError, history.ErrServer},
}

// noQueue begins the reason of a server that has no queue of a name. That the
// queue is on a node that is away begins otherwise.
const noQueue = "NOT_FOUND - no queue "

// classify tells what an error says of an operation.
func classify(at step, late bool, err error) (history.Outcome, history.Error) {
	outcome := history.Unknown
	if at == beforehand {
		outcome = history.Fail
	}
	if late {
		return outcome, history.ErrTimeout
	}
	var said *amqp.Error
	if !errors.As(err, &said) {
		if errors.Is(err, errBody) {
			return outcome, history.ErrServer
		}
		return outcome, history.ErrConnLost
	}
	if said.Server && said.Code == amqp.NotFound && strings.HasPrefix(said.Reason, noQueue) {
		return history.Fail, history.ErrGone // what does not exist gives and takes no message
	}
	for _, class := range classes {
		if said.Server && said.Code == class.code {
			return outcome, class.err
		}
	}
	if said.Server {
		return outcome, history.ErrServer
	}
	return outcome, history.ErrConnLost // the driver's own: the connection broke
}
