package reaper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test binary be the reaper, which writes down what it is told
// to reap, and the harness, which starts one and waits to be killed.
func TestMain(m *testing.M) {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	var err error
	switch role {
	case Command:
		err = Serve(context.Background(), os.Stdin, func(_ context.Context, o Order) (bool, error) {
			return false, os.WriteFile(filepath.Join(o.TempDir, "reaped"), []byte(o.Launch), 0o600)
		})
	case "harness":
		err = harness(os.Args[2])
	default:
		goleak.VerifyTestMain(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func harness(dir string) error {
	r, err := Start("/proc/self/exe", Order{Launch: "killed", TempDir: dir})
	if err != nil {
		return err
	}
	fmt.Println(r.command.Process.Pid)
	time.Sleep(time.Hour)
	return nil
}

func reaped(dir string) string {
	text, _ := os.ReadFile(filepath.Join(dir, "reaped"))
	return string(text)
}

func awaitReaped(t *testing.T, dir, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); reaped(dir) != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("reaped %q, want %q", reaped(dir), want)
		}
	}
}

func TestARunThatCleanedUpIsNotReaped(t *testing.T) {
	dir := t.TempDir()
	r, err := Start("/proc/self/exe", Order{Launch: "done", TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := reaped(dir); got != "" {
		t.Errorf("a living harness's run was reaped: %s", got)
	}
	r.Done()
	select {
	case <-r.ended:
	default:
		t.Error("it goes on")
	}
	if got := reaped(dir); got != "" {
		t.Errorf("reaped %s", got)
	}
}

func TestARunThatIsGivenUpIsReaped(t *testing.T) {
	dir := t.TempDir()
	r, err := Start("/proc/self/exe", Order{Launch: "released", TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	r.Release()
	awaitReaped(t, dir, "released")
	_ = r.command.Process.Signal(syscall.SIGTERM) // Go's default: it ends; the real program takes it as no reason to
	<-r.ended
}

// SIGKILL to the harness's group does not reach the reaper, nor do its files.
func TestAKilledHarnessIsReaped(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe", "harness", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	given, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	cmd.ExtraFiles = []*os.File{end}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = end.Close()
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatal(err)
	}
	if sid, err := sessionOf(pid); err != nil || sid != pid {
		t.Errorf("it is in session %d, %v", sid, err)
	}
	awaitClosed(t, pid, given)
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if more, err := lines.ReadString('\n'); more != "" || err == nil {
		t.Errorf("output %q, %v", more, err)
	}
	_ = cmd.Wait()
	awaitReaped(t, dir, "killed")
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// awaitClosed waits until a process has no end of a pipe.
func awaitClosed(t *testing.T, pid int, pipe *os.File) {
	t.Helper()
	want, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", pipe.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	has := func() bool {
		entries, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, e := range entries {
			if to, _ := os.Readlink(e); to == want {
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(20 * time.Second); has(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("the reaper keeps what the harness was given open")
			return
		}
	}
}

func sessionOf(pid int) (int, error) {
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sid), nil
}

func TestAReaperWithoutAnOrderEnds(t *testing.T) {
	for _, text := range []string{"", "x\n", `{"launch":"half`} {
		err := Serve(t.Context(), strings.NewReader(text), func(context.Context, Order) (bool, error) {
			t.Errorf("%q: something was reaped", text)
			return false, nil
		})
		if err == nil {
			t.Errorf("%q was taken for an order", text)
		}
	}
}

// It looks again until there has been nothing for a while, whatever goes wrong.
func TestSweep(t *testing.T) {
	outcomes := []error{errors.New("no engine"), nil, nil, errors.New("busy")}
	begin, calls := time.Now(), 0
	err := sweep(t.Context(), func(context.Context) (bool, error) {
		calls++
		if calls <= len(outcomes) {
			return outcomes[calls-1] == nil, outcomes[calls-1]
		}
		return false, nil
	}, 50*time.Millisecond)
	if err != nil || calls <= len(outcomes) || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("%d calls, %v", calls, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sweep(ctx, func(context.Context) (bool, error) { return true, nil }, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("without end: %v", err)
	}
}
