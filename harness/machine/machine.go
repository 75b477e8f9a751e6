// Package machine finds out what this machine is.
package machine

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/internal/build"
	"github.com/aftershock-chaos/aftershock/results"
)

// Read reads what the kernel tells. What it does not tell is left empty.
func Read() results.Machine {
	m := results.Machine{Cores: runtime.NumCPU(), Program: build.Version()}
	m.CPU, m.Cores = parseCPU(file("/proc/cpuinfo"), m.Cores)
	m.Memory = parseMemory(file("/proc/meminfo"))
	m.System = parseRelease(file("/etc/os-release"))
	m.ClockSource = strings.TrimSpace(file("/sys/devices/system/clocksource/clocksource0/current_clocksource"))
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = text(name.Release[:]) + " " + text(name.Machine[:])
	}
	return m
}

func file(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func text(b []byte) string {
	head, _, _ := bytes.Cut(b, []byte{0})
	return string(head)
}

// parseCPU reads the model and the number of the machine's processors, which may
// be more than this process may use. Not every architecture names a model.
func parseCPU(text string, cores int) (model string, all int) {
	counted := 0
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		switch name, value = strings.TrimSpace(name), strings.TrimSpace(value); {
		case name == "processor":
			counted++
		case model == "" && (name == "model name" || name == "cpu model" || name == "Model" || name == "cpu"):
			model = value
		}
	}
	return model, max(counted, cores)
}

func parseMemory(text string) int64 {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "MemTotal:"); found {
			kilobytes, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kilobytes * 1024
		}
	}
	return 0
}

func parseRelease(text string) string {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "PRETTY_NAME="); found {
			return strings.Trim(strings.TrimSpace(rest), `"'`)
		}
	}
	return ""
}
