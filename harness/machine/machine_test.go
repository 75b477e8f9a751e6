package machine

import "testing"

func TestParse(t *testing.T) {
	model, cores := parseCPU("processor\t: 0\nmodel name\t: AMD EPYC 7B12\nflags : a b\n\nprocessor\t: 1\nmodel name\t: other\n", 1)
	if model != "AMD EPYC 7B12" || cores != 2 {
		t.Errorf("got %q, %d", model, cores)
	}
	if model, cores := parseCPU("", 3); model != "" || cores != 3 {
		t.Errorf("of nothing: %q, %d", model, cores)
	}
	if n := parseMemory("MemFree: 3 kB\nMemTotal:       16384 kB\n"); n != 16<<20 {
		t.Errorf("got %d", n)
	}
	if n := parseMemory("MemTotal"); n != 0 {
		t.Errorf("got %d", n)
	}
	if name := parseRelease("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"); name != "Debian GNU/Linux 12" {
		t.Errorf("got %q", name)
	}
}

func TestRead(t *testing.T) {
	m := Read()
	if m.Cores < 1 || m.Memory < 1<<20 || m.Kernel == "" || m.Program == "" || m.Words() == "" {
		t.Errorf("got %+v", m)
	}
}
