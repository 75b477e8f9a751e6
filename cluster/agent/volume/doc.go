// Package volume puts a file system under a node's data directory that can lose
// what was not synced, fail, and go bad: a pass-through in FUSE with the log of
// cluster/agent/volume/undo.
//
// A helper process serves it, never the agent itself: between the fork and the exec
// of a server the agent waits for a child that may have to open a file of the
// volume. The helper ends with the agent.
package volume
