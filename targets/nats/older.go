package nats

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aftershock-chaos/aftershock/targets"
)

// untold tells whether there are Raft groups that the servers do not tell of: those
// of 2.9 have no /raftz, and name no group in a stream's info.
func (l *layout) untold() bool { return l.copies > 1 && l.group == "" }

// streamStatus reads /jsz of a server that tells no Raft groups. The role is by
// the leader of the stream, the position the sum of the streams' last sequences.
// There is no term. Whether the node has caught up is not in the answer.
func streamStatus(code int, body []byte, node, stream string) (targets.Status, error) {
	var answer struct {
		Accounts []struct {
			Streams []struct {
				Name    string `json:"name"`
				Cluster struct {
					Leader string `json:"leader"`
				} `json:"cluster"`
				State struct {
					Last uint64 `json:"last_seq"`
				} `json:"state"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := decode(code, body, &answer); err != nil {
		return targets.Status{}, err
	}
	status, found := targets.Status{Role: targets.Replica, Healthy: true}, false
	for _, a := range answer.Accounts {
		for _, s := range a.Streams {
			status.Position += s.State.Last
			status.Healthy = status.Healthy && s.Cluster.Leader != ""
			status.Detail += fmt.Sprintf("%s leader=%q last=%d; ", s.Name, s.Cluster.Leader, s.State.Last)
			if s.Name == stream {
				found = true
				if s.Cluster.Leader == node {
					status.Role = targets.Primary
				}
			}
		}
	}
	if !found {
		return targets.Status{}, fmt.Errorf("%w: the server has no stream %s", targets.ErrGone, stream)
	}
	status.Eligible = status.Healthy
	return status, nil
}

// caughtUp asks the server's health check, which looks at every stream, and makes
// a status one that is not healthy if it fails.
func (m *monitor) caughtUp(ctx context.Context, status *targets.Status) error {
	code, body, err := m.get(ctx, pathHealth)
	if err == nil && code != http.StatusOK {
		status.Healthy, status.Eligible = false, false
		status.Detail += string(body)
	}
	return err
}
