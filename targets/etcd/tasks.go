package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

var _ targets.Tasked = (*System)(nil)

// tasksTold are the operations that etcd's maintenance guide describes.
func tasksTold() []targets.Task {
	return []targets.Task{
		{Name: "compact", About: "forget the history before the current revision, and wait until the database has"},
		{Name: "defrag", About: "write the member's database anew; the member answers nothing meanwhile"},
		{Name: "snapshot", About: "read the member's whole database, as a backup does"},
		{Name: "move-leader", About: "the leader hands its leadership over to another member"},
	}
}

var tasks = kit.Tasks[*conn]{
	"compact": func(ctx context.Context, c *conn) (string, error) {
		st, err := c.maintenance.Status(ctx, "")
		if err != nil {
			return "", err
		}
		_, err = c.kv.Compact(ctx, st.Header.Revision, clientv3.WithCompactPhysical())
		return fmt.Sprintf("compacted to revision %d", st.Header.Revision), err
	},
	"defrag": func(ctx context.Context, c *conn) (string, error) {
		before, err := c.maintenance.Status(ctx, "")
		if err != nil {
			return "", err
		}
		if _, err := c.maintenance.Defragment(ctx, ""); err != nil {
			return "", err
		}
		after, err := c.maintenance.Status(ctx, "")
		if err != nil {
			return "defragmented", nil // it is done, and how much it freed is not worth an error
		}
		return fmt.Sprintf("%s, before %s", units.Bytes(float64(after.DbSize)), units.Bytes(float64(before.DbSize))), nil
	},
	"snapshot": func(ctx context.Context, c *conn) (string, error) {
		stream, err := pb.NewMaintenanceClient(c.grpc).Snapshot(ctx, &pb.SnapshotRequest{})
		if err != nil {
			return "", err
		}
		for n := 0; ; {
			part, err := stream.Recv()
			switch {
			case errors.Is(err, io.EOF):
				return units.Bytes(float64(n)) + " were read", nil
			case err != nil:
				return "", err
			}
			n += len(part.Blob)
		}
	},
	"move-leader": func(ctx context.Context, c *conn) (string, error) {
		st, err := c.maintenance.Status(ctx, "")
		if err != nil {
			return "", err
		}
		list, err := c.members.MemberList(ctx, &pb.MemberListRequest{})
		if err != nil {
			return "", err
		}
		for _, m := range list.Members {
			if m.ID != st.Header.MemberId && !m.IsLearner {
				_, err := c.maintenance.MoveLeader(ctx, m.ID)
				return "to " + m.Name, err
			}
		}
		return "", errors.New("there is no other member")
	},
}

// Do implements targets.Tasked.
func (s *System) Do(ctx context.Context, _ []*cluster.Node, n *cluster.Node, task string) (string, error) {
	return tasks.Do(ctx, s.operators.Dial, n, task)
}
