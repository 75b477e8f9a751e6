package ssh

import (
	"bufio"
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// beHarness cuts host1 off, has host2 paused and host3 killed, again and again.
func beHarness(arguments string) error {
	ctx := context.Background()
	binary, config, _ := strings.Cut(arguments, " ")
	fmt.Println("begins")
	d, err := New(targetOf(config)).Find(ctx, specOf(binary))
	if err != nil {
		return err
	}
	if err := d.Invite(ctx); err != nil {
		return err
	}
	nodes := d.Nodes()
	rules := []cluster.Rule{{Peer: d.HarnessAddr(), In: true, Out: true}, {Peer: nodes[1].At(), In: true, Out: true}}
	for i, a := range []cluster.Action{{Kind: cluster.Block, ID: "b", Rules: rules}, {Kind: cluster.Pause, ID: "p"}, {Kind: cluster.Kill, ID: "k"}} {
		if _, err := nodes[i].Do(ctx, a); err != nil {
			return err
		}
	}
	fmt.Println("broken")
	for began := time.Now(); time.Since(began) < time.Minute; {
		for i, kinds := range [][]cluster.ActionKind{nil, {cluster.Resume, cluster.Pause}, {cluster.Restart, cluster.Kill}} {
			for _, kind := range kinds {
				if _, err := nodes[i].Do(ctx, cluster.Action{Kind: kind, ID: "again"}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const (
	afterKill = 15 * time.Second
	kills     = 20
)

// At whatever instant a harness is killed, on its way to the hosts, while it brings
// guests, or when all is broken: nothing is left, and everything serves.
func TestKilledHarness(t *testing.T) {
	w := newWorld(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var longest time.Duration
	for i := range kills {
		harness := exec.Command(self)
		harness.Env = append(os.Environ(), harnessVariable+"="+w.binary+" "+w.config)
		harness.Stderr = t.Output()
		pipe, err := harness.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := harness.Start(); err != nil {
			t.Fatal(err)
		}
		out := bufio.NewReader(pipe)
		for _, want := range []string{"begins\n", "broken\n"}[:1+i%2] {
			if line, err := out.ReadString('\n'); line != want || err != nil {
				t.Fatalf("the harness says %q; %v", line, err)
			}
		}
		after := time.Duration(mathrand.IntN(1500)) * time.Millisecond
		time.Sleep(after)
		began := time.Now()
		if err := harness.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = harness.Wait()
		until(t, fmt.Sprintf("nothing is left of kill %d, %s after %s", i, after, []string{"it began", "it had broken all"}[i%2]), afterKill, func() bool {
			return serves(0) && serves(1) && serves(2) && w.left() == ""
		})
		longest = max(longest, time.Since(began))
	}
	t.Logf("%d harnesses killed: nothing left after %s at most", kills, longest.Round(10*time.Millisecond))
}
