package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func decodeLaunch(t *testing.T, spec cluster.ServerSpec) launch {
	t.Helper()
	var l launch
	if err := json.Unmarshal([]byte(spec.Command[len(spec.Command)-1]), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// fakeTools make the directories that the real ones would.
type fakeTools struct {
	calls  []string
	failed string // the program that fails
	tries  int    // of reaching the primary, that fail first
}

func (f *fakeTools) tools() tools {
	reach := func(context.Context, string) error {
		if f.tries > 0 {
			f.tries--
			return errors.New("not yet")
		}
		return nil
	}
	return tools{dir: "/bin", answers: reach, checkpoint: reach, run: func(path string, args ...string) error {
		f.calls = append(f.calls, filepath.Base(path))
		if filepath.Base(path) == f.failed {
			return errors.New("failed")
		}
		dir := args[slices.Index(args, "-D")+1]
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "made by"), []byte(filepath.Base(path)), 0o600)
	}}
}

func (f *fakeTools) prepare(t *testing.T, l launch, want ...string) {
	t.Helper()
	f.calls = nil
	if err := l.prepare(t.Context(), f.tools()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.calls, want) {
		t.Errorf("%+v ran %v, want %v", l, f.calls, want)
	}
}

func content(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFirstPrimaryIsInitialisedOnce(t *testing.T) {
	l := launch{Data: t.TempDir(), Name: "n1", Standbys: `FIRST 1 ("n2")`}
	f := &fakeTools{failed: "initdb"}
	if err := l.prepare(t.Context(), f.tools()); err == nil {
		t.Fatal("a failed initdb is no error")
	}
	f.failed = ""
	f.prepare(t, l, "initdb")
	if got := content(t, l.Data, dataName, "postgresql.auto.conf"); got != "synchronous_standby_names = 'FIRST 1 (\"n2\")'\n" {
		t.Errorf("%q", got)
	}
	f.prepare(t, l)
}

func TestStandbyIsClonedOnce(t *testing.T) {
	l := launch{Data: t.TempDir(), Name: "n2", Primary: "10.0.0.1"}
	f := &fakeTools{tries: 3}
	f.prepare(t, l, "pg_basebackup")
	if got := content(t, l.Data, dataName, "postgresql.auto.conf"); !strings.Contains(got, "application_name=''n2''") {
		t.Errorf("%q", got)
	}
	content(t, l.Data, dataName, "standby.signal")
	f.prepare(t, l)
}

func TestStandbyWithoutAPrimaryGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := launch{Data: t.TempDir(), Name: "n2", Primary: "10.0.0.1"}
	if err := l.prepare(ctx, (&fakeTools{tries: 1 << 30}).tools()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestRejoin(t *testing.T) {
	l := launch{Data: t.TempDir(), Name: "n1"}
	f := &fakeTools{}
	f.prepare(t, l, "initdb")

	l.Primary, l.Rejoin = "10.0.0.2", "epoch 2, 1"
	f.tries = 2
	f.prepare(t, l, "pg_rewind")
	content(t, l.Data, dataName, "standby.signal")
	f.prepare(t, l) // a restart does not rewind again

	l.Rejoin = "epoch 3, 2"
	f.failed = "pg_rewind"
	f.prepare(t, l, "pg_rewind", "pg_basebackup")
	if got := content(t, l.Data, dataName, "made by"); got != "pg_basebackup" {
		t.Errorf("the directory is made by %s", got)
	}
	f.failed = ""
	f.prepare(t, l)

	// A rewind that was interrupted left a directory that nothing is known of.
	l.Rejoin = "epoch 4, 3"
	if err := os.WriteFile(filepath.Join(l.Data, rewindFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.prepare(t, l, "pg_basebackup")
	f.prepare(t, l)

	l.Rejoin, l.Clone = "epoch 5, 4", true
	f.prepare(t, l, "pg_basebackup")
}

func TestArguments(t *testing.T) {
	l := launch{Data: "/d", Settings: []string{"port=5432"}}
	if got := strings.Join(l.arguments(), " "); got != "-D /d/pgdata -c hba_file=/d/pg_hba.conf -c port=5432" {
		t.Error(got)
	}
	if err := (Target{}).Launch(t.Context(), nil); err == nil {
		t.Error("nothing was launched")
	}
	if err := (Target{}).Launch(t.Context(), []string{"{"}); err == nil {
		t.Error("no JSON was launched")
	}
}
