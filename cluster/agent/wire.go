package agent

import (
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history/usage"
)

// Paths of the control channel. All are POST, so that no cache or retry of an
// HTTP library ever repeats one by itself.
const (
	pathClock    = "/clock" // also the heartbeat
	pathStart    = "/start"
	pathAction   = "/action"
	pathProbe    = "/probe"
	pathRun      = "/run"
	pathExits    = "/exits"
	pathOutput   = "/output"
	pathTunnel   = "/tunnel"
	pathUsage    = "/usage"
	pathCan      = "/can"
	pathPeer     = "/peer"
	pathShutdown = "/shutdown"
)

// Bounds of the control channel.
const (
	maxBody     = 64 << 20         // of a request: a ServerSpec with its files
	maxInFlight = 512              // requests at a time, tunnels and streams included
	maxAhead    = time.Hour        // how far ahead an action may be sent
	maxProbe    = time.Minute      // longest time-out of a probe
	tunnelName  = "aftershock-tcp" // of the Upgrade header
)

// All instants on the wire are nanoseconds of the agent's monotonicClock.

type clockReply struct {
	Now int64 `json:"now"`
	// Of the last time for which network rules were not in force, see network.Lapse.
	Lapses int   `json:"lapses,omitempty"`
	From   int64 `json:"from,omitempty"`
	Until  int64 `json:"until,omitempty"`
}

type peerReply struct {
	Addr string `json:"addr"` // who asks, as the agent sees it
}

type usageReply struct {
	At  int64     `json:"at"`
	Set usage.Set `json:"set"`
}

type actionRequest struct {
	cluster.Action
	At int64 `json:"at"` // 0: at once
}

type actionReply struct {
	At      int64  `json:"at"`
	Dropped uint64 `json:"dropped,omitempty"`
	Changed bool   `json:"changed,omitempty"`
	Lapsed  int64  `json:"lapsed,omitempty"` // a duration

	Counts map[string]uint64 `json:"counts,omitempty"`
}

type probeRequest struct {
	Addr    string        `json:"addr"`
	Timeout time.Duration `json:"timeout"`
}

// probeReply has no Error where the address was reached. Refused: its machine answered, and
// nobody listens there.
type probeReply struct {
	Error   string `json:"error,omitempty"`
	Refused bool   `json:"refused,omitempty"`
}

type runReply struct {
	Output []byte `json:"output"`
	Error  string `json:"error,omitempty"`
}

type exitsRequest struct {
	From int `json:"from"` // the number of exits already seen
}

type exitReply struct {
	Seq     int    `json:"seq"`
	At      int64  `json:"at"`
	Code    int    `json:"code"`
	Signal  string `json:"signal,omitempty"`
	Planned bool   `json:"planned,omitempty"`
	By      string `json:"by,omitempty"`
	Memory  bool   `json:"memory,omitempty"`
	Began   bool   `json:"began,omitempty"` // it is a start, and no exit; a guest on somebody's machine tells them
}

type tunnelRequest struct {
	Port int `json:"port"`
}

// errorReply is the body of every refusal, and of the answer to whether an action can be
// done, where an empty Error means that it can.
type errorReply struct {
	Error string `json:"error"`
}
