// Package agent is the PID 1 of every node and the harness's hold on it.
//
// The agent (Serve) supervises the target's server as its child, puts faults
// into effect at their planned instant and guards the node's network rules. The
// Client is its counterpart in the harness and implements cluster.Control.
//
// The control channel is plain HTTP with JSON bodies on the agent's TCP port;
// every request carries the run's token. When no authenticated request arrived
// for longer than the lease, the agent kills everything in its node and exits,
// so a dead harness leaves nothing running.
//
// The package works on Linux only.
package agent
