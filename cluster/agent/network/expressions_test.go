package network

import (
	"net/netip"
	"testing"

	"github.com/google/nftables/expr"
)

// The places of the addresses in the headers of RFC 791 and RFC 8200.
func TestMatchPeer(t *testing.T) {
	for _, c := range []struct {
		peer   string
		in     bool
		offset uint32
		length uint32
	}{
		{"10.0.0.1", true, 12, 4}, {"10.0.0.1", false, 16, 4},
		{"fd00::1", true, 8, 16}, {"fd00::1", false, 24, 16},
	} {
		exprs := matchPeer(match{netip.MustParseAddr(c.peer), c.in})
		payload := exprs[2].(*expr.Payload)
		if payload.Offset != c.offset || payload.Len != c.length || len(exprs[3].(*expr.Cmp).Data) != int(c.length) {
			t.Errorf("%+v: %+v", c, payload)
		}
	}
}
