package results

import (
	"fmt"
	"strings"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/internal/units"
)

// Machine is what a run was made on and with. What could not be found out is empty.
type Machine struct {
	CPU         string `json:"cpu,omitempty"` // its model
	Cores       int    `json:"cores,omitempty"`
	Memory      int64  `json:"memory_bytes,omitempty"`
	Kernel      string `json:"kernel,omitempty"`
	System      string `json:"system,omitempty"` // the distribution
	ClockSource string `json:"clock_source,omitempty"`
	Engine      string `json:"engine,omitempty"`  // of the host, with its version
	Program     string `json:"program,omitempty"` // the version of aftershock
	Server      string `json:"server,omitempty"`  // the servers' version in their own words
	Image       string `json:"image_digest,omitempty"`
}

// Words are the machine in one line, without the servers and their image.
func (m *Machine) Words() string {
	var parts []string
	add := func(part string) {
		if part != "" {
			parts = append(parts, part)
		}
	}
	add(m.CPU)
	if m.Cores > 0 {
		add(units.Plural(m.Cores, "processor", "processors"))
	}
	if m.Memory > 0 {
		add(units.Bytes(float64(m.Memory)))
	}
	if m.Kernel != "" {
		add("kernel " + m.Kernel)
	}
	if m.ClockSource != "" {
		add("clock " + m.ClockSource)
	}
	add(m.Engine)
	if m.Program != "" {
		add("aftershock " + m.Program)
	}
	return strings.Join(parts, ", ")
}

// How much of the machine others may have used, and the hypervisor given to other
// machines, before the reader is told: shares of all processors' time.
const (
	toldOthers = 0.10
	toldSteal  = 0.02
)

// busyRemarks tell of a machine that was busy with something else while the run
// was measured, as far as that is certain.
func busyRemarks(values map[string]checkers.Value) []string {
	var told []string
	share := func(name string) float64 {
		if v := values[name]; v.Known {
			return v.N
		}
		return 0
	}
	if n := share("machine.cpu.others"); n > toldOthers {
		told = append(told, fmt.Sprintf("%.0f%% of the machine's processors", 100*n)+" at least were used by others")
	}
	if n := share("machine.cpu.steal"); n > toldSteal {
		told = append(told, fmt.Sprintf("the hypervisor gave %.0f%% of the processors' time to other machines", 100*n))
	}
	if len(told) == 0 {
		return nil
	}
	return []string{"while measuring, " + strings.Join(told, ", and ") + ": times and rates may be better on a machine of its own"}
}
