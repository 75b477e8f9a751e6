package main

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

// recordedRun is a run directory with a history of registers and a plan.
func recordedRun(t *testing.T, ops int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	recordRegisters(t, filepath.Join(dir, history.FileName), ops, false)
	for name, text := range map[string]string{"plan.yaml": shortPlan, "schedule.json": "[]", "events.jsonl": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ended runs the binary and gives its exit code and what it says.
func ended(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out, said bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, &out, &said, 10*time.Second
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// snapshot is all of a folder: names, modes, contents, and where links lead.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		b.WriteString(path + " " + d.Type().String())
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b.Write(text)
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestExportSparesWhatIsNoFileOfItsOwn: neither the run's own files, by whatever
// name, nor what is no regular file is touched, and nothing is left behind.
func TestExportSparesWhatIsNoFileOfItsOwn(t *testing.T) {
	run := recordedRun(t, 300)
	own := filepath.Join(run, history.FileName)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(at("folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": own, "link2": at("link"), "dirlink": run, "loop": at("loop"), "full": "/dev/full"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(own, at("hard")); err != nil {
		t.Skipf("hard links: %v", err)
	}
	if err := syscall.Mkfifo(at("fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	before := snapshot(t, run) + snapshot(t, dir)
	for _, output := range []string{
		own, filepath.Join(run, "plan.yaml"), filepath.Join(run, "events.jsonl"), at("hard"), at("link"), at("link2"), at("dirlink/" + history.FileName),
		run + "/../run/./" + history.FileName, at("folder"), at("dirlink"), at("loop"), at("fifo"), at("socket"), at("full"), "/dev/full", "/dev/null", at("nowhere/x"), at("nowhere") + "/",
	} {
		code, _, said := ended(t, dir, "export", run, "-o", output)
		if code != exitInput && !(output == at("loop") && code == exitInfrastructure) || said == "" {
			t.Errorf("-o %s: exit code %d: %s", output, code, said)
		}
	}
	// A bare history is not written over either, nor is there a part of a file
	// where the source cannot be read.
	for _, args := range [][]string{{own, "-o", own}, {own, "-o", filepath.Join(run, "events.jsonl")}, {at("folder"), "-o", at("new")}, {run, "--workload", "none", "-o", at("new")}} {
		if code, _, said := ended(t, dir, append([]string{"export"}, args...)...); code != exitInput {
			t.Errorf("%v: exit code %d: %s", args, code, said)
		}
	}
	if after := snapshot(t, run) + snapshot(t, dir); after != before {
		t.Error("something was changed or left behind")
	}
	for _, device := range []string{"/dev/full", "/dev/null"} {
		if info, err := os.Lstat(device); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
			t.Errorf("%s: %v", device, err)
		}
	}
}

// TestExportWrites: into a new file, over an old one, where a link leads, and to
// standard output by all of its names.
func TestExportWrites(t *testing.T) {
	run := recordedRun(t, 300)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	_, want, _ := ended(t, dir, "export", run)
	if strings.Count(want, "\n") < 300 {
		t.Fatalf("export printed %q", want)
	}
	if err := os.WriteFile(at("old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "old", "dangling": "new2"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ output, file string }{{at("new"), "new"}, {"relative", "relative"}, {at("old"), "old"}, {at("link"), "old"}, {at("dangling"), "new2"}} {
		code, out, said := ended(t, dir, "export", run, "-o", c.output)
		if text, err := os.ReadFile(at(c.file)); code != 0 || out != "" || err != nil || string(text) != want {
			t.Errorf("-o %s: exit code %d, %v, %d bytes, want %d: %s", c.output, code, err, len(text), len(want), said)
		}
	}
	for name, link := range map[string]bool{"link": true, "dangling": true, "old": false} {
		if info, err := os.Lstat(at(name)); err != nil || (info.Mode()&fs.ModeSymlink != 0) != link {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := os.Stat(at("old")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the old file's mode became %v, %v", info.Mode(), err)
	}
	for _, output := range []string{"-", "/dev/stdout", "/dev/fd/1"} {
		if code, out, said := ended(t, dir, "export", run, "-o", output); code != 0 || out != want {
			t.Errorf("-o %s: exit code %d, %d bytes: %s", output, code, len(out), said)
		}
	}
	if left, _ := filepath.Glob(at(".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestFullStdout: what cannot be printed is told, whatever the command.
func TestFullStdout(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	run := recordedRun(t, 300)
	if code, _, said := ended(t, run, "check", run); code > exitUnknown {
		t.Fatalf("check: exit code %d: %s", code, said)
	}
	for _, args := range [][]string{
		{"check", run}, {"check", run, "--format", "json"}, {"check", run, "--explain"}, {"report", run}, {"report", run, "--format", "markdown"}, {"report", run, "--format", "junit"},
		{"export", run}, {"export", run, "-o", "/dev/stdout"}, {"list", "facts"}, {"list", "plans", "--format", "json"}, {"doctor"}, {"clean"}, {"--version"}, {"--help"}, {"help", "run"}, {"completion", "bash"},
	} {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &said
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != exitInfrastructure || !strings.Contains(said.String(), "no space left on device") {
			t.Errorf("%v: exit code %d: %s", args, code, said.String())
		}
	}
}

// TestNobodyReadsOn: a pipe whose reader has gone ends a command at once and
// without a word.
func TestNobodyReadsOn(t *testing.T) {
	run := recordedRun(t, 20_000)
	for _, args := range [][]string{{"export", run}, {"export", run, "-o", "/dev/stdout"}, {"check", run}} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = reader.Close()
		cmd := exec.CommandContext(t.Context(), binary, args...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = writer, &said
		_ = cmd.Run()
		_ = writer.Close()
		if code := cmd.ProcessState.ExitCode(); code != exitBrokenPipe || said.Len() > 0 {
			t.Errorf("%v: exit code %d: %s", args, code, said.String())
		}
	}
}
