package agent

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables/expr"
	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// The offset's error is never above its bound, whatever the delays and drift.
func TestOffsetBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origin := time.Now()
		ahead := rapid.Int64Range(0, int64(time.Hour)).Draw(t, "ahead")
		rate := rapid.Float64Range(-499e-6, 499e-6).Draw(t, "rate")
		agentAt := func(since time.Duration) int64 { return ahead + int64(float64(since)*(1+rate)) }
		var o offset
		now := time.Duration(0)
		for range rapid.IntRange(1, 20).Draw(t, "samples") {
			now += time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "pause"))
			there := time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "there"))
			back := time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "back"))
			o.add(sample{sent: origin.Add(now), agent: agentAt(now + there), received: origin.Add(now + there + back)})
			now += there + back
			at := now + time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "later"))
			got, bound := o.toHarness(agentAt(at))
			if off := got.Sub(origin.Add(at)).Abs(); off > bound+time.Millisecond/100 {
				t.Fatalf("off by %s, bound %s", off, bound)
			}
			// The way to the agent and back is the identity.
			if back, _ := o.toHarness(o.toAgent(origin.Add(at))); back.Sub(origin.Add(at)).Abs() > time.Microsecond {
				t.Fatalf("%v became %v", origin.Add(at), back)
			}
		}
	})
}

// A ring gives every reader the end of what was written, and says what it lacks.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRing(rapid.IntRange(1, 64).Draw(t, "size"))
		var written, read strings.Builder
		position, missed := uint64(0), false
		buf := make([]byte, 200)
		readOne := func() bool {
			before := position
			n, after, ok := r.next(t.Context(), position, buf)
			position = after
			if oldest := uint64(written.Len() - min(written.Len(), len(r.buf))); ok && before < oldest {
				if string(buf[:n]) != droppedNote(oldest-before) {
					t.Fatalf("note %q for %d bytes", buf[:n], oldest-before)
				}
				missed = true
				read.WriteString(written.String()[before:oldest])
				return true
			}
			read.Write(buf[:n])
			return ok
		}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "write") || position == uint64(written.Len()) {
				p := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "p")
				written.Write(p)
				if n, err := r.Write(p); n != len(p) || err != nil {
					t.Fatal(n, err)
				}
			} else {
				readOne()
			}
		}
		r.close()
		for readOne() {
		}
		if read.String() != written.String() {
			t.Fatalf("read %q of %q (missed some: %t)", read.String(), written.String(), missed)
		}
	})
}

func TestExitLog(t *testing.T) {
	l := newExitLog(3)
	for code := range 5 {
		l.add(exitReply{Code: code})
	}
	for _, c := range []struct{ from, want int }{{0, 2}, {2, 2}, {3, 3}, {4, 4}} {
		if e, ok := l.next(t.Context(), c.from); !ok || e.Seq != c.want || e.Code != c.want {
			t.Errorf("from %d: %+v", c.from, e)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := l.next(ctx, 5); ok {
		t.Error("an exit that never was")
	}
	l.close()
	if _, ok := l.next(t.Context(), 5); ok {
		t.Error("an exit after the close")
	}
}

// Whatever faults come and go, exactly the union of those in effect is dropped,
// and each is counted for itself.
func TestRuleSet(t *testing.T) {
	peers := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::1")}
	rapid.Check(t, func(t *rapid.T) {
		set, model := newRuleSet(), map[string]map[match]bool{}
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			id := rapid.SampledFrom([]string{"f1", "f2", "f3"}).Draw(t, "id")
			if rapid.Bool().Draw(t, "remove") {
				set = set.without(id)
				delete(model, id)
				continue
			}
			rule := cluster.Rule{Peer: rapid.SampledFrom(peers).Draw(t, "peer"), In: rapid.Bool().Draw(t, "in"), Out: rapid.Bool().Draw(t, "out")}
			set = set.with(id, []cluster.Rule{rule})
			if model[id] == nil {
				model[id] = map[match]bool{}
			}
			for in, on := range map[bool]bool{true: rule.In, false: rule.Out} {
				if on {
					model[id][match{rule.Peer, in}] = true
				}
			}
		}
		union, pairs := map[match]bool{}, 0
		for id, matches := range model {
			for m := range matches {
				union[m] = true
				pairs++
				if !slices.Contains(set.counters(), counted{id, m}) {
					t.Fatalf("%s does not count %v", id, m)
				}
			}
		}
		if len(set.counters()) != pairs || len(set.drops()) != len(union) {
			t.Fatalf("%d counters, want %d; %d drops, want %d", len(set.counters()), pairs, len(set.drops()), len(union))
		}
		for _, m := range set.drops() {
			if !union[m] {
				t.Fatalf("%v is dropped", m)
			}
		}
	})
	mapped := newRuleSet().with("f", []cluster.Rule{{Peer: netip.MustParseAddr("::ffff:10.0.0.1"), In: true}})
	if mapped.drops()[0].peer != peers[0] {
		t.Error("an IPv4 address in IPv6 clothes is not dropped as IPv4")
	}
	if err := newRuleSet().check("f", make([]cluster.Rule, maxRules+1)); err == nil {
		t.Error("too many rules were taken")
	}
}

// The places of the addresses in the headers of RFC 791 and RFC 8200.
func TestFromOrTo(t *testing.T) {
	for _, c := range []struct {
		peer   string
		in     bool
		offset uint32
		length uint32
	}{
		{"10.0.0.1", true, 12, 4}, {"10.0.0.1", false, 16, 4},
		{"fd00::1", true, 8, 16}, {"fd00::1", false, 24, 16},
	} {
		exprs := fromOrTo(match{netip.MustParseAddr(c.peer), c.in})
		payload := exprs[2].(*expr.Payload)
		if payload.Offset != c.offset || payload.Len != c.length || len(exprs[3].(*expr.Cmp).Data) != int(c.length) {
			t.Errorf("%+v: %+v", c, payload)
		}
	}
}

func TestLookupUser(t *testing.T) {
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(passwd, "root:x:0:0:root:/root:/bin/sh\n# note:x:1:1\nredis:x:999:1000:Redis:/data:/bin/false\n77:x:5:6::/seven:\nshort:x:8\nbad:x:9:many::/:\n\n")
	write(group, "root:x:0:\nredis:x:1000:\nssl:x:107:postgres,redis\nmail:x:8:redisx\n")
	for _, c := range []struct {
		spec string
		want account
		err  string
	}{
		{"", account{}, ""},
		{"redis", account{true, "redis", "/data", 999, 1000, []uint32{1000, 107}, false}, ""},
		{"999", account{true, "redis", "/data", 999, 1000, []uint32{1000, 107}, false}, ""},
		{"redis:ssl", account{true, "redis", "/data", 999, 107, []uint32{107}, false}, ""},
		{"77", account{true, "77", "/seven", 5, 6, []uint32{6}, false}, ""}, // names go first
		{"12345:54321", account{true, "", "", 12345, 54321, []uint32{54321}, false}, ""},
		{"12345", account{true, "", "", 12345, 0, []uint32{0}, false}, ""},
		{"nosuch", account{}, `user "nosuch": not found in ` + passwd},
		{"redis:nosuch", account{}, `user "redis:nosuch": not found in ` + group},
		{"short", account{}, "not found"},
		{"bad", account{}, `bad group ID "many"`},
		{"4294967295", account{}, "not found"},
		{"-1", account{}, "not found"},
	} {
		got, err := lookupUser(c.spec, passwd, group)
		if c.err == "" && (err != nil || !slices.Equal(got.groups, c.want.groups)) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: %+v, %v", c.spec, got, err)
			continue
		}
		got.groups, c.want.groups = nil, nil
		if got.given != c.want.given || got.name != c.want.name || got.home != c.want.home || got.uid != c.want.uid || got.gid != c.want.gid {
			t.Errorf("%q: %+v, want %+v", c.spec, got, c.want)
		}
	}
	if a, err := lookupUser("7:8", dir+"/none", dir+"/none"); err != nil || a.uid != 7 || a.gid != 8 {
		t.Errorf("FROM scratch: %+v, %v", a, err)
	}
}

func TestMapped(t *testing.T) {
	const ordinary, root = "         0       1000          1\n", "         0          0 4294967295\n"
	for _, c := range []struct {
		maps string
		uid  uint32
		want bool
	}{
		{ordinary, 0, true}, {ordinary, 1, false}, {ordinary, 1000, false}, {root, 999, true}, {root, 4294967294, true},
		{"0 1000 1\n5 100000 10\n", 5, true}, {"0 1000 1\n5 100000 10\n", 14, true}, {"0 1000 1\n5 100000 10\n", 15, false}, {"", 0, false}, {"junk", 0, false},
	} {
		if got := mapped(c.maps, c.uid); got != c.want {
			t.Errorf("%q maps %d: %v", c.maps, c.uid, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		text  string
		state byte
		group int
		ok    bool
	}{
		{"12 (sh) S 1 12 12 0 -1", 'S', 12, true},
		{"12 (a) R 7) T 1 34 12 0", 'T', 34, true},
		{"12 (sh) S 1", 0, 0, false},
		{"12 (sh S 1 2 3", 0, 0, false},
		{"12 (sh) S 1 x 3", 'S', 0, false},
		{"", 0, 0, false},
	} {
		state, group, err := parseStat([]byte(c.text))
		if (err == nil) != c.ok || err == nil && (state != c.state || group != c.group) {
			t.Errorf("%q: %c %d %v", c.text, state, group, err)
		}
	}
}

func TestStill(t *testing.T) {
	for state, want := range map[byte]bool{'T': true, 't': true, 'Z': true, 'X': true, 'D': true, 'R': false, 'S': false, 'I': false} {
		if still(state) != want {
			t.Errorf("state %c stands still: %t", state, !want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (sh) S 1 12 12 0 -1"))
	f.Add([]byte("12 (a) b)) T 1 34"))
	f.Add([]byte(")"))
	f.Add([]byte("(a) b)) \x00 1 3"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if state, _, err := parseStat(text); err == nil && state == 0 {
			t.Errorf("%q has no state and no error", text)
		}
	})
}

func FuzzParseColons(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\nredis:x:999:1000:a,b:/data:", "redis")
	f.Add("::::\n#a:b:c\na:b:4294967295:0", "4294967294")
	f.Fuzz(func(t *testing.T, text, user string) {
		lines, err := parseColons(strings.NewReader(text))
		if err != nil {
			return
		}
		a, err := findUser(lines, user)
		if err == nil && (a.uid == 1<<32-1 || a.gid == 1<<32-1) {
			t.Errorf("%q in %q has an ID that means no change: %+v", user, text, a)
		}
		if err == nil && len(memberships(lines, a)) == 0 {
			t.Errorf("%q in %q is in no group", user, text)
		}
	})
}

func TestOptions(t *testing.T) {
	for _, name := range []string{EnvToken, EnvLease, EnvData, EnvListen, EnvMountProc} {
		t.Setenv(name, "")
	}
	if _, err := OptionsFromEnv(); err == nil || !strings.Contains(err.Error(), EnvToken) {
		t.Errorf("no token: %v", err)
	}
	want := Options{Token: NewToken(), Lease: 3 * time.Second, DataDir: "/d", Listen: ":1", MountProc: true}
	for _, kv := range want.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	got, err := OptionsFromEnv()
	got.Logger = nil
	if err != nil || got != want {
		t.Errorf("%+v, want %+v, %v", got, want, err)
	}
	for _, bad := range []string{"x", "1ms", "-1s"} {
		t.Setenv(EnvLease, bad)
		if _, err := OptionsFromEnv(); err == nil {
			t.Errorf("lease %q was taken", bad)
		}
	}
	if a, b := NewToken(), NewToken(); a == b || len(a) < 20 {
		t.Errorf("tokens %q and %q", a, b)
	}
}
