package network

import (
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

func compareEqual(value []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}
}

// matchLapsed matches everything once the elements of the lease are gone.
func matchLapsed() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Lookup{SourceRegister: 1, SetName: leaseName, Invert: true},
	}
}

func matchLoopback(input bool) []expr.Any {
	key := expr.MetaKeyOIFNAME
	if input {
		key = expr.MetaKeyIIFNAME
	}
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, "lo")
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, compareEqual(name)}
}

// matchControlPort matches TCP to the agent on its way in, and from it on its way
// out, not the reverse: only the agent listens there.
func matchControlPort(input bool, port uint16) []expr.Any {
	offset := uint32(0) // source port
	if input {
		offset = 2 // destination port
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		compareEqual([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		compareEqual(binaryutil.BigEndian.PutUint16(port)),
	}
}

// matchPeer matches the packets of one direction by the peer's address, at its
// place in the header of RFC 791 or RFC 8200; the unspecified address stands for all
// of its family.
func matchPeer(m match) []expr.Any {
	family, source, destination := byte(unix.NFPROTO_IPV4), uint32(12), uint32(16)
	if m.peer.Is6() {
		family, source, destination = unix.NFPROTO_IPV6, 8, 24
	}
	offset := destination
	if m.in {
		offset = source
	}
	if m.peer.IsUnspecified() { // everyone
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, compareEqual([]byte{family})}
	}
	address := m.peer.AsSlice()
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		compareEqual([]byte{family}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address))},
		compareEqual(address),
	}
}
