package probe

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// TestMain lets the test binary play the program with the hidden command.
func TestMain(m *testing.M) {
	if volume.HelperAsked() {
		if err := volume.Helper(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == Command {
		if err := InSandbox(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func interfaces(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		// An engine's own come and go with other tests' containers.
		if !strings.HasPrefix(name, "veth") && !strings.HasPrefix(name, "br-") {
			names = append(names, name)
		}
	}
	return strings.Join(names[2:], " ")
}

func TestAll(t *testing.T) {
	before := interfaces(t)
	checks := All(t.Context())
	var names []string
	for _, c := range checks {
		t.Logf("%+v", c)
		names = append(names, c.Name)
		if c.Detail == "" || c.OK != (c.Remedy == "") {
			t.Errorf("%s: OK %t, detail %q, remedy %q", c.Name, c.OK, c.Detail, c.Remedy)
		}
	}
	if want := []string{UserNamespaces, NetworkNamespaces, NFTables, NFQueue, Resets, FUSE, Ext4}; fmt.Sprint(names) != fmt.Sprint(want) {
		t.Errorf("checks %v, want %v", names, want)
	}
	if local.Available(t.Context()) == nil && !checks[1].OK {
		t.Errorf("the local host is available, yet: %+v", checks[1])
	}
	if after := interfaces(t); after != before {
		t.Errorf("the machine's interfaces %q became %q", before, after)
	}
}

func TestFUSE(t *testing.T) {
	dir := t.TempDir()
	if c := fuse(filepath.Join(dir, "none")); c.OK || !strings.Contains(c.Remedy, "module") {
		t.Errorf("no device: %+v", c)
	}
	file := filepath.Join(dir, "device")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := fuse(file); !c.OK {
		t.Errorf("a device: %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"name":"a","ok":true,"detail":"b"},{},{},{},{},{}]`))
	f.Add([]byte(`[{},{},{},{}]`))
	f.Add([]byte(`[{}]`))
	f.Add([]byte(`flag provided but not defined`))
	f.Fuzz(func(t *testing.T, output []byte) {
		checks, err := parse(output)
		if (err == nil) != (len(checks) == 1+len(tried)) {
			t.Errorf("%q: %d checks, %v", output, len(checks), err)
		}
		if text, marshalErr := json.Marshal(checks); err == nil && marshalErr != nil {
			t.Errorf("%q cannot be written: %s, %v", output, text, marshalErr)
		}
	})
}
