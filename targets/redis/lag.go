package redis

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// lagSource is Redis's own name of the figures.
const lagSource = "INFO replication: master_repl_offset - slave.offset, slave.lag"

// ServerLag is what a primary tells of its replicas. A replica confirms its
// offset once a second, so the bytes are up to a second old; the time is whole
// seconds since the last confirmation. A replica tells nothing.
func (s *servers) ServerLag(ctx context.Context, nodes []*cluster.Node, n int) ([]targets.Lag, error) {
	var answer server
	err := s.operator.Use(ctx, nodes[n], func(l *link) (err error) {
		answer, err = askServer(ctx, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s for its replicas' lag: %w", nodes[n].Name, err)
	}
	if answer.status.Role != targets.Primary {
		return nil, nil
	}
	var all []targets.Lag
	for k := 0; ; k++ {
		line, ok := answer.fields["slave"+strconv.Itoa(k)]
		if !ok {
			return all, nil
		}
		lag, addr, err := parseLag(line, answer.status.Position)
		if err != nil {
			return nil, fmt.Errorf("ask %s for its replicas' lag: %w", nodes[n].Name, err)
		}
		for i := range nodes {
			if nodes[i].At() == addr.Addr() && kit.Port(nodes[i], serverPort) == int(addr.Port()) {
				lag.Node = i
				all = append(all, lag)
			}
		}
	}
}

// parseLag reads "ip=10.0.0.2,port=6379,state=online,offset=14,lag=0".
func parseLag(line string, position uint64) (targets.Lag, netip.AddrPort, error) {
	fields := map[string]string{}
	for word := range strings.SplitSeq(line, ",") {
		name, value, _ := strings.Cut(word, "=")
		fields[name] = value
	}
	lag := targets.Lag{Source: lagSource, Time: -1, Bytes: -1}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(fields["ip"], fields["port"]))
	if err != nil {
		return lag, addr, err
	}
	if fields["state"] != "online" { // it is being sent a snapshot: its offset means nothing yet
		return lag, addr, nil
	}
	offset, err := strconv.ParseUint(fields["offset"], 10, 64)
	if err != nil {
		return lag, addr, fmt.Errorf("offset: %w", err)
	}
	seconds, err := strconv.Atoi(fields["lag"])
	if err != nil {
		return lag, addr, fmt.Errorf("lag: %w", err)
	}
	lag.Bytes = int64(max(position, offset) - offset)
	if seconds >= 0 {
		lag.Time = time.Duration(seconds) * time.Second
	}
	return lag, addr, nil
}
