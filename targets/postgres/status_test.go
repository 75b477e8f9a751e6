package postgres

import (
	"context"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

func TestParseReport(t *testing.T) {
	for _, c := range []struct {
		row  []string
		want report
		ok   bool
	}{
		{[]string{"f", "0/3000148", "", "00000002", ""}, report{position: 0x3000148, timeline: 2}, true},
		{[]string{"f", "0/3000028", "", "00000001", ""}, report{position: 0x3000000, timeline: 1}, true}, // after a short or long header
		{[]string{"t", "1/A", "1/9", "0000000A", "streaming"}, report{standby: true, position: 1<<32 | 10, replayed: 1<<32 | 9, timeline: 10, receiver: "streaming"}, true},
		{[]string{"t", "", "", "", ""}, report{standby: true}, true},
		{[]string{"t", "1A", "", "", ""}, report{}, false},
		{[]string{"t", "0/X", "", "", ""}, report{}, false},
		{[]string{"t", "0/1", "0/1", "no", ""}, report{}, false},
		{[]string{"t"}, report{}, false},
	} {
		got, err := parseReport([][]string{c.row}, walSegment)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%q: %+v, %v", c.row, got, err)
		}
	}
	if _, err := parseReport(nil, walSegment); err == nil {
		t.Error("no row is a report")
	}
}

func TestLogEnd(t *testing.T) {
	for _, c := range []struct{ insert, end uint64 }{
		{walSegment + 40, walSegment}, {walSegment + 24, walSegment}, {walSegment + 8192 + 24, walSegment + 8192},
		{walSegment + 8192 + 40, walSegment + 8192 + 40}, {walSegment + 8192, walSegment + 8192}, {walSegment + 100, walSegment + 100},
	} {
		if got := logEnd(c.insert, walSegment); got != c.end {
			t.Errorf("%X: %X, want %X", c.insert, got, c.end)
		}
	}
	// Where a segment is larger, no page in its middle has the long header.
	if large := uint64(16 << 20); logEnd(large+walSegment+40, large) != large+walSegment+40 || logEnd(2*large+40, large) != 2*large {
		t.Error("the size of segments does not count")
	}
}

func TestForks(t *testing.T) {
	f, err := parseForks("1\t0/3000148\tno recovery target specified\n\n# comment\n2\t1/0\tx\n")
	if err != nil || !reflect.DeepEqual(f, forks{1: 0x3000148, 2: 1 << 32}) {
		t.Fatalf("%v %v", f, err)
	}
	for _, c := range []struct {
		timeline, lsn uint64
		covered       bool
	}{{1, 0x3000148, true}, {1, 0x3000149, false}, {2, 5, true}, {3, 5, false}} {
		if got := f.covers(c.timeline, c.lsn); got != c.covered {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for _, text := range []string{"1", "x\t0/1", "1\t01"} {
		if _, err := parseForks(text); err == nil {
			t.Errorf("%q is a history", text)
		}
	}
}

func TestStatus(t *testing.T) {
	streaming := report{standby: true, position: 100, replayed: 100, timeline: 2, receiver: "streaming"}
	behind, alone := streaming, streaming
	behind.replayed, alone.receiver = 99, ""
	for _, c := range []struct {
		name      string
		r         report
		standbys  []int // counted on
		skew      uint64
		wait      bool
		role      targets.Role
		epoch     uint64
		isHealthy bool
	}{
		{"primary", report{position: 7, timeline: 2}, nil, 0, true, targets.Primary, 2, true},
		{"a promotion was tried twice", report{position: 7, timeline: 2}, nil, 1, true, targets.Primary, 3, true},
		{"standby", streaming, []int{1}, 0, true, targets.Replica, 2, true},
		{"not counted on", streaming, []int{2}, 0, true, targets.Replica, 1, true},
		{"nobody is waited for", streaming, nil, 0, false, targets.Replica, 2, true},
		{"replays", behind, []int{1}, 0, true, targets.Replica, 2, false},
		{"disconnected", alone, []int{1}, 0, true, targets.Replica, 2, false},
		{"a standby that did not tell its timeline", report{standby: true}, nil, 1, true, targets.Replica, 0, false},
	} {
		s := newSystem()
		s.members.set(c.standbys)
		s.members.skew = c.skew
		if s.commit = "on"; c.wait {
			s.quorum = quorum{"FIRST", 1}
		}
		st := s.status(&cluster.Node{Index: 1}, c.r)
		if st.Role != c.role || st.Epoch != c.epoch || st.Healthy != c.isHealthy || st.LogEpoch != c.r.timeline || st.Position != c.r.position || !st.Eligible {
			t.Errorf("%s: %+v", c.name, st)
		}
	}
}

func TestSkew(t *testing.T) {
	var m members
	m.promoted(2, 2)
	if m.ahead() != 0 {
		t.Errorf("ahead by %d after a promotion at the first try", m.ahead())
	}
	m.promoted(5, 3)
	m.promoted(6, 4)
	if m.ahead() != 2 {
		t.Errorf("ahead by %d, want 2", m.ahead())
	}
}

func TestParseLag(t *testing.T) {
	nodes := []*cluster.Node{{Name: "n1"}, {Name: "n2"}, {Name: "n3"}}
	name := func(n *cluster.Node) string { return n.Name }
	got, err := parseLag(nodes, [][]string{{"n3", "1500", "4096"}, {"clone of n2", "", "9"}, {"n2", "", "-8"}, {"n1", "", ""}}, name)
	want := []targets.Lag{
		{Node: 2, Source: lagSource, Time: 1500 * time.Microsecond, Bytes: 4096},
		{Node: 1, Source: lagSource, Time: -1, Bytes: 0},
		{Node: 0, Source: lagSource, Time: -1, Bytes: -1},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
	for _, row := range [][]string{{"n2"}, {"n2", "x", ""}, {"n2", "", "x"}} {
		if _, err := parseLag(nodes, [][]string{row}, name); err == nil {
			t.Errorf("%q is a lag", row)
		}
	}
}

func TestServerSpec(t *testing.T) {
	s := newSystem()
	s.commit, s.fsync, s.replicas, s.quorum = "on", "on", 2, quorum{"FIRST", 1}
	var nodes []*cluster.Node
	for i, name := range []string{"n1", "n2", "n3"} {
		nodes = append(nodes, &cluster.Node{Name: name, Index: i, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})})
	}
	first, second := decodeLaunch(t, s.Server(nodes, 0)), decodeLaunch(t, s.Server(nodes, 1))
	if first.Primary != "" || first.Standbys != `FIRST 1 ("n2", "n3")` || first.Data != cluster.DataDir {
		t.Errorf("%+v", first)
	}
	if second.Primary != "10.0.0.1" || second.Standbys != "" || second.Name != "n2" {
		t.Errorf("%+v", second)
	}
	if err := s.Form(context.Background(), nil); err == nil {
		t.Error("no nodes form a cluster")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
