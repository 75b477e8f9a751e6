// Command kills kills runs with SIGKILL at random instants, the harness alone or
// with its whole process group, and tells what is left of each after 15 s and
// how what it recorded is judged.
//
//	go run ./scripts/kills [-n 60] [-seed 7] [-binary bin/aftershock] [-plan machines]
//
// The runs take turns on the hosts that work here, with ripple and redis in modes
// that lose nothing that was acknowledged, and with several faults of machines in
// force at any instant (or the plan of that name alone): no torn run may be judged violated. It
// fails if anything is left or a verdict is unjust, and prints its seed.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

const (
	// goneTime is how long what a killed run leaves may be there.
	goneTime = 15 * time.Second
	// latest is the last instant of a kill, counted from the start of the program.
	latest    = 14 * time.Second
	checkTime = 2 * time.Minute
)

func main() {
	k := killer{out: os.Stdout}
	n := flag.Int("n", 60, "how many runs to kill")
	flag.Uint64Var(&k.seed, "seed", uint64(time.Now().UnixNano()), "of the instants and victims")
	flag.StringVar(&k.binary, "binary", "bin/aftershock", "the program")
	only := flag.String("plan", "", "make runs of this plan alone: "+strings.Join(plans, ", "))
	flag.Parse()
	if *only != "" {
		if !slices.Contains(plans, *only) {
			fmt.Fprintf(os.Stderr, "kills: there is no plan %q; use one of %s\n", *only, strings.Join(plans, ", "))
			os.Exit(3)
		}
		plans = []string{*only}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := k.all(ctx, *n); err != nil {
		fmt.Fprintln(os.Stderr, "kills:", err)
		stop()
		os.Exit(1)
	}
}

type killer struct {
	binary string
	seed   uint64
	out    io.Writer
}

// all kills n runs and prints a line about each.
func (k *killer) all(ctx context.Context, n int) error {
	dir, err := os.MkdirTemp("", "kills-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // servers run as other users
		return err
	}
	hosts := hostsHere(ctx)
	if len(hosts) == 0 {
		return errors.New("no host works here")
	}
	fmt.Fprintf(k.out, "seed %d, hosts %s\n", k.seed, strings.Join(hosts, " "))
	rng := rand.New(rand.NewPCG(k.seed, 0))
	var longest time.Duration
	bad, codes := 0, map[int]int{}
	for i := range n {
		t := trial{
			dir: filepath.Join(dir, fmt.Sprint(i)), host: hosts[i%len(hosts)], plan: plans[i/len(hosts)%len(plans)],
			after: time.Duration(rng.Int64N(int64(latest))), group: rng.IntN(2) == 0, short: rng.IntN(4) == 0, seed: 1 + rng.Uint64N(1<<31),
		}
		if err := t.run(ctx, k.binary); err != nil {
			return fmt.Errorf("trial %d: %w", i, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(k.out, "%3d %s\n", i, t.String())
		longest = max(longest, t.gone)
		codes[t.code]++
		if t.bad() {
			bad++
		}
		_ = os.RemoveAll(t.dir)
	}
	fmt.Fprintf(k.out, "%d of %d left nothing after %s (the longest took %s) and were judged justly; check's exit codes %v\n",
		n-bad, n, goneTime, longest.Round(10*time.Millisecond), codes)
	if bad > 0 {
		return fmt.Errorf("%d of %d runs", bad, n)
	}
	return nil
}

// hostsHere are the hosts that work here.
func hostsHere(ctx context.Context) []string {
	var hosts []string
	if docker.Available(ctx) == nil {
		hosts = append(hosts, "docker")
	}
	if local.Available(ctx) == nil {
		hosts = append(hosts, "local")
	}
	return hosts
}

// trial is one run to be killed, and what became of it.
type trial struct {
	dir, host, plan string
	after           time.Duration
	group           bool // kill the whole process group
	short           bool // a run that may end by itself before
	seed            uint64

	ended bool          // it had ended by itself
	gone  time.Duration // until nothing was left
	left  []string      // what was left after goneTime
	code  int           // of check; -1 if there was nothing to check
	said  string        // by check
}

func (t *trial) bad() bool { return len(t.left) > 0 || t.code == 1 || t.code == 4 }

func (t *trial) String() string {
	whom := "harness"
	if t.group {
		whom = "group"
	}
	if t.ended {
		whom = "(ended)"
	}
	s := fmt.Sprintf("%-6s %-8s seed %-10d %-7s killed at %6.2fs, gone after %5.2fs, check %2d", t.host, t.plan, t.seed, whom,
		t.after.Seconds(), t.gone.Seconds(), t.code)
	if len(t.left) > 0 {
		s += fmt.Sprintf("  LEFT %v", t.left)
	}
	if t.code == 1 || t.code == 4 {
		s += "  UNJUST\n" + t.said
	}
	return s
}

// run starts the run, kills it, waits until nothing is left and judges it.
func (t *trial) run(ctx context.Context, binary string) error {
	if err := os.Mkdir(t.dir, 0o755); err != nil {
		return err
	}
	program := filepath.Join(t.dir, "aftershock") // of its own, by which its processes are told from others'
	if err := copyFile(binary, program); err != nil {
		return err
	}
	duration := "30s"
	if t.short {
		duration = "5s"
	}
	if err := os.WriteFile(filepath.Join(t.dir, "plan.yaml"), []byte(planText(t.plan, duration)), 0o644); err != nil {
		return err
	}
	command := exec.Command(program, "run", "plan.yaml", "--host", t.host, "--seed", fmt.Sprint(t.seed), "-q")
	command.Dir, command.Env = t.dir, append(os.Environ(), "TMPDIR="+t.dir)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Start(); err != nil {
		return err
	}
	r := &remains{dir: t.dir}
	wait := time.NewTimer(t.after)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
	r.look(ctx)
	victim := command.Process.Pid
	if t.group {
		victim = -victim
	}
	_ = syscall.Kill(victim, syscall.SIGKILL) // a zombie can be killed, too
	killed := time.Now()
	_ = command.Wait()
	t.ended = command.ProcessState.Exited()
	if code := command.ProcessState.ExitCode(); code >= 3 {
		return fmt.Errorf("the run on %s ended by itself with exit code %d: %s", t.host, code, said.String())
	}
	for t.left = r.list(ctx); len(t.left) > 0 && time.Since(killed) < goneTime; t.left = r.list(ctx) {
		time.Sleep(50 * time.Millisecond)
	}
	t.gone = time.Since(killed)
	return t.check(ctx, program)
}

// check judges what the run recorded.
func (t *trial) check(ctx context.Context, program string) error {
	t.code = -1
	dirs, err := filepath.Glob(filepath.Join(t.dir, "runs", "2*"))
	if err != nil || len(dirs) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	command := exec.CommandContext(ctx, program, "check", dirs[0])
	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	t.code, t.said = command.ProcessState.ExitCode(), string(output)
	return nil
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("%w; build it first: make build", err)
	}
	return os.WriteFile(to, text, 0o755)
}
