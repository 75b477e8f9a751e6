package kit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// conn counts how often it was closed.
type conn struct{ closed int }

func (c *conn) Close() error { c.closed++; return nil }

func TestKeptOpensOnceAndAgainAfterAnError(t *testing.T) {
	var dialed []*conn
	k := Kept[*conn]{Dial: func(context.Context, *cluster.Node) (*conn, error) {
		dialed = append(dialed, &conn{})
		return dialed[len(dialed)-1], nil
	}}
	n := &cluster.Node{Index: 2}
	broken := errors.New("broken")
	for i, fails := range []error{nil, nil, broken, nil} {
		if err := k.Use(t.Context(), n, func(*conn) error { return fails }); err != fails {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if len(dialed) != 2 || dialed[0].closed != 1 || dialed[1].closed != 0 {
		t.Errorf("%d connections, the first closed %d times", len(dialed), dialed[0].closed)
	}
	if err := k.Close(); err != nil || dialed[1].closed != 1 {
		t.Errorf("closing: %v, the second connection closed %d times", err, dialed[1].closed)
	}
	if err := k.Use(t.Context(), n, func(*conn) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v", err)
	}
}

func TestKeptWaitsForItsTurnWithinTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := Kept[*conn]{Dial: func(context.Context, *cluster.Node) (*conn, error) { return &conn{}, nil }}
		n := &cluster.Node{}
		hold := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = k.Use(context.Background(), n, func(*conn) error { <-hold; return nil })
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := k.Use(ctx, n, func(*conn) error { t.Error("two calls at once"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 300*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		close(hold)
		wg.Wait()
		_ = k.Close()
	})
}

var info = targets.Info{Name: "fake", Options: []schema.Field{
	{Name: "mode", Default: "a", Words: []string{"a", "b"}},
	{Name: "interval", Default: "1s"},
	{Name: "number", Default: "3"},
}}

func TestOptions(t *testing.T) {
	o, err := NewOptions(info, targets.Config{Options: map[string]string{"mode": " b "}})
	if err != nil || o["mode"] != "b" || o["interval"] != "1s" {
		t.Fatalf("%v %v", o, err)
	}
	if d, err := o.Duration("interval", 0, time.Minute); err != nil || d != time.Second {
		t.Errorf("%v %v", d, err)
	}
	if n, err := o.Int("number", 1, 3); err != nil || n != 3 {
		t.Errorf("%v %v", n, err)
	}
}

func TestOptionErrorsNameTheOptionAndTheRemedy(t *testing.T) {
	for _, tc := range []struct {
		config targets.Config
		says   []string
	}{
		{targets.Config{Replicas: -1}, []string{"target.replicas", "-1"}},
		{targets.Config{Options: map[string]string{"mod": "a"}}, []string{"target.options.mod", "fake", `"mode"`}},
		{targets.Config{Options: map[string]string{"mode": "c"}}, []string{"target.options.mode", `"c"`}},
	} {
		_, err := NewOptions(info, tc.config)
		for _, part := range tc.says {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%+v: the error is %v, want %q in it", tc.config, err, part)
			}
		}
	}
	o := Options{"interval": "soon", "number": "9"}
	if _, err := o.Duration("interval", 0, time.Second); err == nil || !strings.Contains(err.Error(), "target.options.interval") {
		t.Error(err)
	}
	o["interval"] = "2s"
	if _, err := o.Duration("interval", 0, time.Second); err == nil || !strings.Contains(err.Error(), "out of range") {
		t.Error(err)
	}
	if _, err := o.Int("number", 1, 3); err == nil || !strings.Contains(err.Error(), "from 1 to 3") {
		t.Error(err)
	}
}

func TestFindTakesTheNewestVersion(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"9", "15", "17"} {
		bin := filepath.Join(dir, version, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o755)
		if version == "17" {
			mode = 0o644 // no program
		}
		if err := os.WriteFile(filepath.Join(bin, "no-such-server"), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	s := targets.Server{Program: "no-such-server", Search: []string{filepath.Join(dir, "*", "bin", "no-such-server")}, Install: "install it so"}
	if path, err := Find(s); err != nil || path != filepath.Join(dir, "15", "bin", "no-such-server") {
		t.Errorf("found %s, %v", path, err)
	}
	s.Search = nil
	if _, err := Find(s); !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "install it so") {
		t.Errorf("the error is %v", err)
	}
}

func TestNaturalOrder(t *testing.T) {
	paths := []string{"/v17/x", "/v9/x", "/v9.10/x", "/v9.9/x", "/v009/y", "/v/x"}
	sortNatural(paths)
	want := []string{"/v/x", "/v9.9/x", "/v9.10/x", "/v9/x", "/v009/y", "/v17/x"}
	if !slices.Equal(paths, want) {
		t.Errorf("%v, want %v", paths, want)
	}
}

func TestKeys(t *testing.T) {
	for kind, want := range map[history.Kind]string{history.CAS: "r1.17", history.ReadSet: "s1.17", history.Poll: "m1.17", history.Drain: "q1.17"} {
		if got := string(AppendKey(nil, &history.Op{Kind: kind, Workload: 1, Key: 17})); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}

func TestRetryTellsTheLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		tries := 0
		err := Retry(ctx, 300*time.Millisecond, "wait for it", func() error { tries++; return errors.New("not yet") })
		if tries != 4 || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "wait for it") || !strings.Contains(err.Error(), "not yet") {
			t.Errorf("%d tries: %v", tries, err)
		}
	})
}

// One member after the other is asked until one has done it, and nobody at all if the
// node is alone.
func TestAskOthers(t *testing.T) {
	nodes := []*cluster.Node{{Name: "n1"}, {Name: "n2"}, {Name: "n3"}}
	var asked []string
	err := AskOthers(t.Context(), targets.Membership{Nodes: nodes, Members: []int{0, 2}, Node: 1}, "do it", func(n *cluster.Node) error {
		if asked = append(asked, n.Name); len(asked) < 4 {
			return errors.New("not now")
		}
		return nil
	})
	if got := strings.Join(asked, " "); err != nil || got != "n1 n3 n1 n3" {
		t.Errorf("%s were asked, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := AskOthers(ctx, targets.Membership{Nodes: nodes, Node: 1}, "do it", func(*cluster.Node) error { return nil }); err == nil || !strings.Contains(err.Error(), "no other member") {
		t.Error(err)
	}
}
