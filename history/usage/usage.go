// Package usage is what the nodes of a run took of their machine while it went
// on: a series of samples, in a file of the run directory.
package usage

// PerSecond is how many samples are taken of each subject in a second.
const PerSecond = 4

// FileName is the file's name in a run directory.
const FileName = "usage.csv"

// Unknown is a figure that a sample does not have.
const Unknown = -1

// Figure names one thing that a sample tells.
type Figure int

// The figures. What is not marked as of the moment counts up from the start of the
// node's agent, through restarts of its server, and never comes down.
const (
	CPU         Figure = iota // nanoseconds that the node's processes computed, without the agent
	Memory                    // bytes that they hold, anonymous and shared; of the moment
	Charged                   // bytes that the kernel counts against the node's control group, its page cache too; of the moment
	DiskRead                  // bytes that they had fetched from storage
	DiskWritten               // bytes that they had sent to storage
	ReadCalls                 // their calls of read and the like
	WriteCalls                // their calls of write and the like
	Syncs                     // times that the server made sure of what it had written, as it says itself
	NetIn                     // bytes that came over the network, without those of the control channel
	NetOut                    // bytes that went over it, likewise
	NetDoubt                  // of both together, so many may be headers of the control channel
	Threads                   // of the moment; of the machine its processors
	Switches                  // times that the kernel put one thread in place of another; of threads that ended some are missing
	Steal                     // nanoseconds that the hypervisor gave to other machines; of the machine
	Agent                     // nanoseconds that the agent computed, this reading too
	Took                      // nanoseconds that this reading took; of the moment
	Figures                   // how many there are
)

// names are those of the file's columns.
var names = [Figures]string{"cpu_ns", "memory_bytes", "charged_bytes", "disk_read_bytes", "disk_written_bytes", "read_calls", "write_calls", "syncs",
	"net_in_bytes", "net_out_bytes", "net_doubt_bytes", "threads", "switches", "steal_ns", "agent_ns", "took_ns"}

func (f Figure) String() string { return names[f] }

// momentary tells whether a figure is of the moment, and does not count up.
func (f Figure) momentary() bool {
	return f == Memory || f == Charged || f == Threads || f == Took
}

// Set are the figures of one reading.
type Set [Figures]int64

// None is a reading that tells nothing.
func None() Set {
	var s Set
	for i := range s {
		s[i] = Unknown
	}
	return s
}

// What else than a node a sample can be of, in place of a node's index.
const (
	Machine = -1 // all processors of the machine: CPU, Steal
	Harness = -2 // the process that makes the run: CPU, Memory, Threads, Switches
)

// Sample is one reading.
type Sample struct {
	At   int64 // on the run's clock
	Node int   // index of the nodes, Machine or Harness
	Set
}

// Prices are what the use of machines costs. One that is 0 costs nothing.
type Prices struct {
	CPUHour      float64 // an hour of one processor
	MemoryGBHour float64 // a gigabyte of memory for an hour
	GBMonth      float64 // a gigabyte of storage for a month
	NetworkGB    float64 // a gigabyte that a node sent
	Currency     string
}

// Any tells whether anything costs anything.
func (p *Prices) Any() bool {
	return p != nil && (p.CPUHour > 0 || p.MemoryGBHour > 0 || p.GBMonth > 0 || p.NetworkGB > 0)
}

// Of are the samples of one node, in order of time.
func Of(samples []Sample, node int) []Sample {
	var of []Sample
	for _, s := range samples {
		if s.Node == node {
			of = append(of, s)
		}
	}
	return of
}

// Within is how much a figure that counts up grew between two instants: by least
// at least, which is what lies between the samples within, and by most at most,
// which is what lies between those around. ok is false if no two samples lie
// within; bounded is false if there are none around, so that most is unknown.
func Within(of []Sample, f Figure, begin, end int64) (least, most int64, bounded, ok bool) {
	var before, first, last, after *Sample
	for i := range of {
		s := &of[i]
		if s.Set[f] == Unknown {
			continue
		}
		if s.At <= begin {
			before = s
		}
		if begin <= s.At && s.At <= end {
			if first == nil {
				first = s
			}
			last = s
		}
		if s.At >= end && after == nil {
			after = s
		}
	}
	if first == nil || first == last {
		return 0, 0, false, false
	}
	least = max(last.Set[f]-first.Set[f], 0)
	if before == nil || after == nil {
		return least, 0, false, true
	}
	return least, max(after.Set[f]-before.Set[f], least), true, true
}

// Greatest is the greatest that a figure was between two instants, as far as it
// was sampled; ok is false if it was not.
func Greatest(of []Sample, f Figure, begin, end int64) (greatest int64, ok bool) {
	for i := range of {
		if s := &of[i]; begin <= s.At && s.At <= end && s.Set[f] != Unknown {
			greatest, ok = max(greatest, s.Set[f]), true
		}
	}
	return greatest, ok
}
