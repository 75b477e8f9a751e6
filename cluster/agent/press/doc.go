// Package press takes resources from a node's processes: time to run in, descriptors, memory.
// Each fault has its own share, by its ID; the least counts. What is taken is given back by
// Unpress, and with the agent's end there are no processes left.
package press
