package agent

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/agent/root"
)

func TestOptions(t *testing.T) {
	for _, name := range []string{EnvLease, EnvData, EnvListen, EnvRoot, EnvMemory, EnvProcesses} {
		t.Setenv(name, "")
	}
	want := Options{Lease: 3 * time.Second, DataDir: "/d", Listen: ":1", MemoryEvents: "/m", Processes: 7,
		Root: &root.Root{Dir: "/r", Own: map[string]string{"/tmp": "/t"}, Shown: []string{"/s"}, Files: map[string]string{"/f": "text\n"}}}
	for _, kv := range want.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	got, err := OptionsFromEnv()
	got.Logger = nil
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v, %v", got, want, err)
	}
	for _, bad := range []string{"x", "1ms", "-1s"} {
		t.Setenv(EnvLease, bad)
		if _, err := OptionsFromEnv(); err == nil {
			t.Errorf("lease %q was taken", bad)
		}
	}
}
