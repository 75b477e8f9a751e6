package judge

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseMemory(t *testing.T) {
	for text, want := range map[string]uint64{
		"512MiB": 512 << 20, "2GiB": 2 << 30, "1.5 GiB": 3 << 29, "100": 100, "7B": 7, "3kB": 3000, "4MB": 4e6, "1TiB": 1 << 40,
		" 2 gib ": 2 << 30, "512M": 512e6, "1,024 KiB": 1 << 20, "5TB": 5e12, ".5GB": 5e8,
	} {
		if got, err := ParseMemory(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1GiB", "0", "0.4B", "many", "NaN", "NaNB", "Inf", "1e40GiB", "2 GiB more", "4EiB", "99999999999 EiB", "18446744073709551615", "1.2.3MB"} {
		if got, err := ParseMemory(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// TestGroupMemory reads made-up control groups: the least that one of them and
// those above leave, without what is used for files.
func TestGroupMemory(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("job/memory.max", "max\n")
	write("job/step/memory.max", "1000000\n")
	write("job/step/memory.current", "500000\n")
	write("job/step/memory.stat", "anon 300000\nfile 200000\n")
	write("memory/box/memory.limit_in_bytes", "800000\n")
	write("memory/box/memory.usage_in_bytes", "900000\n")
	write("memory/box/memory.stat", "cache 1\ntotal_cache 300000\n")
	for _, c := range []struct {
		controllers, group string
		want               uint64
	}{
		{"", "/job/step", 700_000}, {"", "/job/step/below", 700_000}, {"", "/job", unbounded}, {"", "/", unbounded},
		{"memory", "/box", 200_000}, {"cpu,memory", "/box", 200_000}, {"cpu", "/box", unbounded}, {"memory", "/", unbounded},
	} {
		if got := groupMemory(root, c.controllers, c.group); got != c.want {
			t.Errorf("group %s of %q leaves %d, want %d", c.group, c.controllers, got, c.want)
		}
	}
}

func TestAvailableMemory(t *testing.T) {
	if n := AvailableMemory(); n < 1<<20 || n == unbounded {
		t.Errorf("%d bytes are available", n)
	}
}
