//lint:file-ignore SA1019 the replacement names networks by chance and takes no provider; the reaper's image has none

package docker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/vishvananda/netlink"
)

// subnetRange holds the runs' /24 networks: 4096 of them, away from the ranges
// that Docker gives out by itself (172.17/12 and 192.168/16).
var subnetRange = netip.MustParsePrefix("10.208.0.0/12")

// maxSubnets bounds how many subnets are tried before giving up.
const maxSubnets = 32

// firstHost is the last byte of node 0's address; those of the others follow.
// .1 is the gateway.
const firstHost = 11

// subnets returns the subnets to try for a launch, in order: the same launch
// gives the same ones, two launches almost always different ones.
func subnets(launch string) []netip.Prefix {
	h := fnv.New64a()
	h.Write([]byte(launch))
	rng := rand.New(rand.NewPCG(h.Sum64(), 0))
	base := subnetRange.Addr().As4()
	list := make([]netip.Prefix, 0, maxSubnets)
	seen := make(map[uint32]bool, maxSubnets)
	for len(list) < maxSubnets {
		n := uint32(rng.IntN(1 << (24 - subnetRange.Bits())))
		if seen[n] {
			continue
		}
		seen[n] = true
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{base[0], base[1] + byte(n>>8), byte(n), 0}), 24))
	}
	return list
}

// hostAddr is the address in the subnet with the given last byte.
func hostAddr(subnet netip.Prefix, last byte) netip.Addr {
	a := subnet.Addr().As4()
	a[3] = last
	return netip.AddrFrom4(a)
}

// nodeAddr is node i's address.
func nodeAddr(subnet netip.Prefix, i int) netip.Addr { return hostAddr(subnet, byte(firstHost+i)) }

// gatewayAddr is the machine's own address in the subnet.
func gatewayAddr(subnet netip.Prefix) netip.Addr { return hostAddr(subnet, 1) }

// minPrefixLen is the shortest route that counts as using its addresses: a wider
// one (a VPN's 10.0.0.0/8) still leaves room for a /24 inside it.
const minPrefixLen = 16

// routedPrefixes lists the networks that this machine routes already.
func routedPrefixes() []netip.Prefix {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil // the engine still refuses what its own networks use
	}
	var list []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		ones, _ := r.Dst.Mask.Size()
		if addr, ok := netip.AddrFromSlice(r.Dst.IP.To4()); ok && ones >= minPrefixLen {
			list = append(list, netip.PrefixFrom(addr, ones))
		}
	}
	return list
}

func overlapsAny(p netip.Prefix, list []netip.Prefix) bool {
	for _, q := range list {
		if p.Overlaps(q) {
			return true
		}
	}
	return false
}

// makeNetwork creates the run's network in the first subnet that is free:
// neither among the used ones nor refused by the engine.
func makeNetwork(ctx context.Context, p *testcontainers.DockerProvider, name, launch string, labels map[string]string, used []netip.Prefix) (netip.Prefix, testcontainers.Network, error) {
	var last error
	for _, subnet := range subnets(launch) {
		if overlapsAny(subnet, used) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return netip.Prefix{}, nil, err
		}
		var n testcontainers.Network
		if n, last = createNetwork(ctx, p, name, subnet, labels); last == nil {
			return subnet, n, nil
		}
		if !strings.Contains(last.Error(), "overlaps") {
			return netip.Prefix{}, nil, fmt.Errorf("network %s: %w", name, last)
		}
	}
	if last == nil {
		last = errors.New("this machine routes all of them")
	}
	return netip.Prefix{}, nil, fmt.Errorf("network %s: none of %d subnets of %s is free; 'aftershock clean' removes those of dead runs: %w", name, maxSubnets, subnetRange, last)
}

// createNetwork runs to its end even if ctx ends: a request that is abandoned
// half-way may still make its network, after everybody has looked for it.
func createNetwork(ctx context.Context, p *testcontainers.DockerProvider, name string, subnet netip.Prefix, labels map[string]string) (testcontainers.Network, error) {
	call, cancel := outlive(ctx, callTimeout)
	defer cancel()
	n, err := p.CreateNetwork(call, testcontainers.NetworkRequest{
		Driver: "bridge",
		Name:   name,
		Labels: maps.Clone(labels), // testcontainers adds its own
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{
			Subnet:  subnet,
			Gateway: gatewayAddr(subnet),
		}}},
	})
	if err != nil && strings.HasPrefix(err.Error(), "reaper") {
		err = fmt.Errorf("testcontainers' %w; do without it: %s=true", err, ryukDisabled)
	}
	return n, err
}
