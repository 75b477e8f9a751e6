package history

import "testing"

func TestFaultNames(t *testing.T) {
	for name, want := range map[string][2]string{"kill": {"kill", ""}, "partition isolate": {"partition", "isolate"}, "": {}} {
		if got := FaultName(want[0], want[1]); got != name {
			t.Errorf("%v is named %q, want %q", want, got, name)
		}
		if got := FaultKind(name); got != want[0] {
			t.Errorf("%q is of the kind %q, want %q", name, got, want[0])
		}
	}
}
