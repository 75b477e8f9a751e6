package redis

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/aftershock-chaos/aftershock/targets"
)

// epochs is what the operator remembers of its promotions, for Redis knows no
// epochs: in which epoch each node last got its role, and which replication
// history (replid) began in which epoch.
type epochs struct {
	mu      sync.Mutex
	ofNode  map[int]uint64
	history map[string]uint64
}

func newEpochs() *epochs {
	return &epochs{ofNode: map[int]uint64{}, history: map[string]uint64{}}
}

func (e *epochs) set(node int, epoch uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ofNode[node] = epoch
}

func (e *epochs) node(node int) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ofNode[node]
}

// begin remembers that a replication history is that of a primary of an epoch.
// A replica shows it only once it has synchronised with that primary.
func (e *epochs) begin(replid string, epoch uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.history[replid]; !known {
		e.history[replid] = epoch
	}
}

// means tells of which epoch a primary's replication history is now.
func (e *epochs) means(replid string, epoch uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.history[replid] = epoch
}

// log is the epoch of a replication history, 0 if unknown.
func (e *epochs) log(replid string) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.history[replid]
}

// roleStatus makes of a server's INFO what its role tells: all of a Status but
// the epochs.
func roleStatus(fields map[string]string) (targets.Status, error) {
	var st targets.Status
	position := ""
	loading := fields["loading"] != "0"
	switch fields["role"] {
	case "master":
		st.Role, position = targets.Primary, "master_repl_offset"
		st.Healthy, st.Eligible = !loading, !loading
	case "slave":
		st.Role, position = targets.Replica, "slave_repl_offset"
		// A replica that is being sent a snapshot may have dropped its own data.
		st.Eligible = !loading && fields["master_sync_in_progress"] == "0"
		st.Healthy = st.Eligible && fields["master_link_status"] == "up"
	default:
		return st, fmt.Errorf("unknown role %q", fields["role"])
	}
	var err error
	if st.Position, err = strconv.ParseUint(fields[position], 10, 64); err != nil {
		return st, fmt.Errorf("%s: %w", position, err)
	}
	st.Detail = detail(fields)
	return st, nil
}

// detailed are the fields that tell people the most.
var detailed = []string{"role", "loading", "connected_slaves", "min_slaves_good_slaves", "master_host", "master_link_status",
	"master_sync_in_progress", "master_repl_offset", "slave_repl_offset", "master_replid"}

func detail(fields map[string]string) string {
	var words []string
	for _, name := range detailed {
		if v, ok := fields[name]; ok {
			words = append(words, name+"="+v)
		}
	}
	return strings.Join(words, " ")
}
