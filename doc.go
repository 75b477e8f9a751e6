// Package aftershock runs plans: it launches a replicated system, drives it
// with workloads, breaks it on purpose and proves from the recorded history
// what was lost, what was stale and how long it took.
package aftershock
