// Package agent is the PID 1 of every node, and the harness's client of it.
//
// The agent (Serve) supervises the target's server as its child and puts faults
// into effect at their planned instant. The Client is its counterpart in the
// harness and implements cluster.Control. This package is the control channel
// between the two, the alignment of their clocks, and the table of actions; what
// an action does is in the package of what it acts on: process, network.
//
// The control channel is HTTP with JSON bodies over TLS 1.3 on the agent's TCP
// port. Both ends show certificates of an authority that the harness makes for
// one launch (Authority); an agent gets its keys on its standard input, so that
// they are in no environment, argument, file or image. When no request of the
// harness arrived for longer than the lease, the agent kills every other process
// of its node and exits, so that a dead harness leaves nothing running.
//
// A guest is an agent beside a server that somebody else runs, in that server's
// network and PID namespace (Options.Guest): it starts and stops nothing, pauses and
// crashes what package victim finds, and what it holds goes on when it ends.
//
// The package works on Linux only.
package agent
