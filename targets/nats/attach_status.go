package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	driver "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// Status asks a server by the operator's way, or straight where that does not work.
func (s *Attached) Status(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.look(ctx, &s.operators, n)
}

// ClientStatus asks a server over the clients' network.
func (s *Attached) ClientStatus(ctx context.Context, n *cluster.Node) (targets.Status, error) {
	return s.look(ctx, &s.clients, n)
}

// look asks a server for both streams: their leaders answer, through it.
func (s *Attached) look(ctx context.Context, by *kit.Kept[*asker], n *cluster.Node) (targets.Status, error) {
	var status targets.Status
	err := by.Use(ctx, n, func(c *asker) error {
		leading, other := s.of.bucket, s.of.queue
		if s.of.queueLeads {
			leading, other = other, leading
		}
		status = targets.Status{Role: targets.Replica, Healthy: true, Eligible: true}
		for _, stream := range []string{leading, other} {
			if err := s.add(ctx, &status, c.Conn, stream, stream == leading); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return targets.Status{}, fmt.Errorf("ask %s for its status: %w", n.Name, err)
	}
	return status, nil
}

// add adds what is told of one stream to the status of the server at the connection's end.
// Before the run has made its streams every server is a peer.
func (s *Attached) add(ctx context.Context, status *targets.Status, nc *driver.Conn, stream string, leading bool) error {
	info, err := streamInfo(ctx, nc, stream)
	var said *jetstream.APIError
	switch {
	case errors.As(err, &said) && said.ErrorCode == codeNoStream && !s.made.Some():
		*status = targets.Status{Role: targets.Peer, Eligible: true, Healthy: true, Detail: "the run has no stream yet"}
		return nil
	case errors.As(err, &said) && said.ErrorCode == codeNoStream:
		return fmt.Errorf("%w: there is no stream %s", targets.ErrGone, stream)
	case err != nil:
		return err
	}
	me, has := nc.ConnectedServerName(), copyOf(info, nc.ConnectedServerName())
	if leading && (info.Cluster.Leader == me || s.of.copies == 1 && info.Cluster.Leader == "") {
		status.Role = targets.Primary
	}
	status.Position += info.State.Last - min(has.Lag, info.State.Last)
	status.Detail += fmt.Sprintf("%s leader=%q last=%d lag=%d; ", stream, info.Cluster.Leader, info.State.Last, has.Lag)
	if s.of.copies > 1 && (info.Cluster.Leader == "" || !has.Current || has.Lag > 0) {
		status.Healthy = false
	}
	status.Eligible = status.Eligible && status.Healthy
	return nil
}

// copyOf is what a stream's leader tells of a server. Its own copy is current, and so is
// that of a server that has none.
func copyOf(info *infoAnswer, server string) replicaTold {
	for _, r := range info.Cluster.Replicas {
		if r.Name == server {
			r.Current = r.Current && !r.Offline
			return r
		}
	}
	return replicaTold{Name: server, Current: true}
}

// variables is what is used of what a server's monitoring port tells of its settings.
type variables struct {
	JetStream struct {
		Config struct {
			Interval time.Duration `json:"sync_interval"`
			Always   bool          `json:"sync_always"`
		} `json:"config"`
	} `json:"jetstream"`
}

// Settings tells what a server says of itself, and, where its monitoring port answers, when
// it syncs.
func (s *Attached) Settings(ctx context.Context, n *cluster.Node) ([]targets.Setting, error) {
	list := []targets.Setting{{Name: "copies of a stream", Value: strconv.Itoa(s.of.copies), Warning: fewServers(s.of.copies)}}
	err := kit.Ask(ctx, &s.clients, n, func(c *asker) error {
		list = append(list, targets.Setting{Name: "server_name", Value: c.ConnectedServerName()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for its settings: %w", n.Name, err)
	}
	return append(list, syncSetting(ctx, n)), nil
}

func fewServers(copies int) string {
	if copies < fewCopies {
		return "no server may fail: there is no other copy"
	}
	return ""
}

// syncSetting asks the monitoring port when messages are synced to disk.
func syncSetting(ctx context.Context, n *cluster.Node) targets.Setting {
	const asked = "sync_interval"
	var told variables
	m, err := dialMonitor(ctx, n)
	if err == nil {
		defer m.Close()
		var code int
		var body []byte
		if code, body, err = m.get(ctx, pathVariables); err == nil || errors.Is(err, errClosing) {
			if err = json.Unmarshal(body, &told); code != http.StatusOK {
				err = fmt.Errorf("%s answered %d", pathVariables, code)
			}
		}
	}
	switch config := told.JetStream.Config; {
	case err != nil:
		return targets.Setting{Name: asked, Value: fmt.Sprintf("not told: no monitoring port answers at %d", monitorPort)}
	case config.Always:
		return targets.Setting{Name: asked, Value: wordAlways}
	case config.Interval > 0:
		return targets.Setting{Name: asked, Value: config.Interval.String(),
			Warning: "what was acknowledged since the last sync is gone where a majority of the servers loses its power; always syncs before"}
	}
	return targets.Setting{Name: asked, Value: "not told"}
}

func dialMonitor(ctx context.Context, n *cluster.Node) (*monitor, error) {
	ctx, cancel := context.WithTimeout(ctx, kit.LookTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(n.At().String(), strconv.Itoa(monitorPort)))
	return newMonitor(conn, n, err)
}
