package link

import (
	"math/rand/v2"
	"net/netip"

	"golang.org/x/sys/unix"
)

// header is what is known of a packet from its first bytes.
type header struct {
	source, destination netip.Addr
	protocol            byte
	transport           int // where the transport's header begins
}

// parseHeader reads the header of RFC 791 or RFC 8200. Extension headers are not
// followed: what they hold is no protocol that this package looks into.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < 20 {
		return h, false
	}
	switch b[0] >> 4 {
	case 4:
		h.source, h.destination = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		h.protocol, h.transport = b[9], int(b[0]&15)*4
		return h, h.transport >= 20
	case 6:
		if len(b) < 40 {
			return h, false
		}
		h.source, h.destination = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		h.protocol, h.transport = b[6], 40
		return h, true
	}
	return h, false
}

// payload is where the bytes of the application begin, and where the checksum
// stands; false: there are none, or nobody knows.
func (h header) payload(b []byte) (from, checksum int, ok bool) {
	switch h.protocol {
	case unix.IPPROTO_TCP:
		if len(b) < h.transport+20 {
			return 0, 0, false
		}
		from, checksum = h.transport+int(b[h.transport+12]>>4)*4, h.transport+16
	case unix.IPPROTO_UDP:
		from, checksum = h.transport+8, h.transport+6
	default:
		return 0, 0, false
	}
	return from, checksum, from < len(b)
}

// corrupt flips one bit of what the application sent and makes the checksum fit, so
// that the application gets it; false: the packet has no such bytes.
func corrupt(b []byte, random *rand.Rand) bool {
	h, ok := parseHeader(b)
	if !ok {
		return false
	}
	from, checksum, ok := h.payload(b)
	if !ok {
		return false
	}
	b[from+random.IntN(len(b)-from)] ^= 1 << random.IntN(8)
	none := h.protocol == unix.IPPROTO_UDP && b[checksum] == 0 && b[checksum+1] == 0 // RFC 768: the sender made none
	if none {
		return true
	}
	b[checksum], b[checksum+1] = 0, 0
	sum := h.sum(b)
	if sum == 0 && h.protocol == unix.IPPROTO_UDP {
		sum = 0xffff
	}
	big.PutUint16(b[checksum:], sum)
	return true
}

// sum is the Internet checksum over the transport's part and the pseudo header.
func (h header) sum(b []byte) uint16 {
	sum := uint32(h.protocol) + uint32(len(b)-h.transport)
	add := func(b []byte) {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(big.Uint16(b))
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	if h.source.Is4() {
		add(b[12:20])
	} else {
		add(b[8:40])
	}
	add(b[h.transport:])
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
