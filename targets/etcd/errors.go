package etcd

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/aftershock-chaos/aftershock/history"
)

// answers is the table of what the server's errors say of an operation, by
// their text, which is how etcd's own client tells them apart (some arrive
// without their code). Fail stands only where the server's source (3.6) shows
// that the request was turned away before it was proposed to Raft. An error
// that is not in the table leaves the operation unknown.
//
// Among the errors that prove nothing is "mvcc: database space exceeded": the
// member that takes the request checks the space before it proposes, but every
// member checks it again when it applies the request, and then carries it out
// and answers with the error.
var answers = []struct {
	text    string
	outcome history.Outcome
	why     history.Error
}{
	// v3_server.go, processInternalRaftRequestOnce, before Propose.
	{text(rpctypes.ErrTooManyRequests), history.Fail, history.ErrBusy},
	{text(rpctypes.ErrRequestTooLarge), history.Fail, history.ErrServer},
	// raft.go: the member's own Raft neither appended nor forwarded the
	// proposal, for want of a leader or while leadership moves. A drop at the
	// leader of what was forwarded is never told, and times out.
	{"raft proposal dropped", history.Fail, history.ErrNoQuorum},
	// interceptor.go, before the request is looked at.
	{text(rpctypes.ErrNoLeader), history.Fail, history.ErrNoQuorum},
	{text(rpctypes.ErrNotCapable), history.Fail, history.ErrServer},
	{rpctypes.ErrorDesc(rpctypes.ErrGRPCNotSupportedForLearner), history.Fail, history.ErrNotPrimary},

	// apply: every member looks the lease up before it puts, and all have the same.
	{text(rpctypes.ErrLeaseNotFound), history.Fail, history.ErrServer},

	// The proposal was made, or may have been.
	{text(rpctypes.ErrTimeout), history.Unknown, history.ErrTimeout},
	{text(rpctypes.ErrTimeoutDueToLeaderFail), history.Unknown, history.ErrTimeout},
	{text(rpctypes.ErrTimeoutDueToConnectionLost), history.Unknown, history.ErrTimeout},
	{text(rpctypes.ErrLeaderChanged), history.Unknown, history.ErrNoQuorum},
	{text(rpctypes.ErrStopped), history.Unknown, history.ErrConnLost},
	{text(rpctypes.ErrNoSpace), history.Unknown, history.ErrServer},
}

func text(err error) string { return rpctypes.ErrorDesc(err) }

// classify tells what an error of a call says of the operation.
func classify(err error) (history.Outcome, history.Error) {
	said := rpctypes.ErrorDesc(err)
	for _, a := range answers {
		if a.text == said {
			return a.outcome, a.why
		}
	}
	switch code := grpcstatus.Code(err); {
	case errors.Is(err, context.DeadlineExceeded), code == codes.DeadlineExceeded:
		return history.Unknown, history.ErrTimeout
	case errors.Is(err, context.Canceled), code == codes.Canceled, code == codes.Unavailable:
		return history.Unknown, history.ErrConnLost
	}
	return history.Unknown, history.ErrServer
}
