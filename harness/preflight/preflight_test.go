package preflight

import (
	"strings"
	"testing"
)

func TestPreflight(t *testing.T) {
	small, large := Need{Clients: 8, Nodes: 3}, Need{Clients: 5000, Nodes: 5}
	for _, tc := range []struct {
		need        Need
		descriptors uint64
		memory      uint64
		want        string
	}{
		{small, 1024, 1 << 30, ""},
		{small, 64, 1 << 30, "8 clients on 3 nodes need about 160 open files, and this process may have 64: raise the limit"},
		{large, 1024, 1 << 40, "raise the limit (ulimit -Hn"},
		{large, 1 << 20, 1 << 30, "are available: free some"},
		{large, 1 << 20, 8 << 30, ""},
	} {
		err := check(tc.need, tc.descriptors, tc.memory)
		if got := ""; err != nil {
			got = err.Error()
			if tc.want == "" || !strings.Contains(got, tc.want) {
				t.Errorf("%+v with %d descriptors and %d bytes: %q, want %q", tc.need, tc.descriptors, tc.memory, got, tc.want)
			}
		} else if tc.want != "" {
			t.Errorf("%+v with %d descriptors and %d bytes passes, want %q", tc.need, tc.descriptors, tc.memory, tc.want)
		}
	}
	if err := Check(Need{Clients: 1, Nodes: 1}, 1<<40); err != nil {
		t.Error(err)
	}
}
