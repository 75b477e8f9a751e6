// Package link makes the links of a node bad: it delays, loses, doubles, reorders and
// corrupts packets, and limits their rate (shape and unshape).
//
// Packets of a shaped link go to an NFQUEUE, by rules of the node's network.Firewall,
// and one thread of the agent decides about each. What comes from a peer is held at
// the receiver's input hook: at output the sender's kernel would see its packets held
// and slow down (TCP Small Queues), which no wire does. Faults compose: delays add,
// losses come one after the other, the least rate counts.
//
// Nothing of it outlives the agent: the kernel gives up a queue whose reader is gone,
// with what is held in it, and the rules pass by a queue that nobody reads.
//
// Linux only.
package link
