// Package network is what the agent does to the network of its node: a Firewall
// drops packets by nftables rules (block and unblock), and Probe tells whether a
// TCP connection can be made under them.
//
// Linux only.
package network
