package faults

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// WANClients is the key of a plan's wan that says where the clients are.
const WANClients = "clients"

// Regions are those between which RegionRTT knows the round trips, in the order of
// its rows.
//
// Round trips: the median of the 30 days that ended on 30 July 2026, in whole milliseconds, as
// published by Microsoft in "Azure network round-trip latency statistics"
// (learn.microsoft.com/azure/networking/azure-network-latency, dataset of that date).
// Where the two directions of a pair differ, by 4 ms at most, the greater is here.
// Other clouds' regions in the same places are a few milliseconds from that.
var regions = []struct {
	name, place string
	rtt         []int // to each of the rows above
}{
	{"us-east", "East US, Virginia", nil},
	{"us-central", "Central US, Iowa", []int{29}},
	{"us-west", "West US 2, Washington", []int{73, 39}},
	{"sa-east", "Brazil South, São Paulo", []int{118, 149, 177}},
	{"eu-west", "North Europe, Ireland", []int{73, 101, 130, 172}},
	{"eu-north", "UK South, London", []int{78, 109, 139, 181, 13}},
	{"eu-central", "Germany West Central, Frankfurt", []int{94, 119, 155, 198, 27, 17}},
	{"ap-south", "Central India, Pune", []int{201, 223, 211, 304, 147, 141, 140}},
	{"ap-southeast", "Southeast Asia, Singapore", []int{224, 198, 162, 331, 176, 167, 166, 53}},
	{"ap-northeast", "Japan East, Tokyo", []int{162, 136, 101, 262, 227, 230, 236, 122, 72}},
	{"au-east", "Australia East, New South Wales", []int{202, 176, 161, 295, 263, 261, 267, 145, 95, 104}},
	{"af-south", "South Africa North, Johannesburg", []int{220, 244, 280, 321, 172, 164, 166, 131, 177, 251, 328}},
}

// Regions are the names of the places whose round trips are known.
func Regions() []string {
	var names []string
	for _, r := range regions {
		names = append(names, r.name)
	}
	return names
}

// RegionRTT is the round trip between two regions; false: it is not known.
func RegionRTT(a, b string) (time.Duration, bool) {
	names := Regions()
	i, j := slices.Index(names, a), slices.Index(names, b)
	switch {
	case i < 0 || j < 0:
		return 0, false
	case i == j:
		return 0, true
	}
	return time.Duration(regions[max(i, j)].rtt[min(i, j)]) * time.Millisecond, true
}

// WAN says how far nodes and clients are from each other, for a whole run.
type WAN struct {
	places []string // regions, by a Graph's numbers: the nodes, then the clients
	own    map[[2]string]time.Duration
}

// mostRTT bounds a round trip that a plan names itself.
const mostRTT = 10 * time.Second

// WANMistake is what is wrong with a key of a plan's wan.
type WANMistake struct{ Key, Message, Remedy string }

// nodeName is what nodes that are launched are called: one that there is not here may
// be there in a variant of the plan.
var nodeName = regexp.MustCompile(`^n[1-9][0-9]?$`)

// ParseWAN reads a plan's wan: where each node is and where the clients are, and
// under two regions with a slash between them, round trips of the plan's own.
func ParseWAN(text map[string]string, nodes []string) (w WAN, wrong []WANMistake) {
	note := func(key, remedy, format string, args ...any) {
		wrong = append(wrong, WANMistake{key, fmt.Sprintf(format, args...), remedy})
	}
	w.own = map[[2]string]time.Duration{}
	known := Regions()
	keys := slices.Sorted(maps.Keys(text))
	for _, key := range keys {
		a, b, pair := strings.Cut(key, "/")
		if !pair {
			continue
		}
		switch d, err := time.ParseDuration(text[key]); {
		case a == "" || b == "" || a == b || strings.Contains(b, "/"):
			note(key, "write two regions, e.g. home/away: 40ms", "%q names no two regions", spelling.Short(key))
		case err != nil || d < 0 || d > mostRTT:
			note(key, "write a round trip of 0s to 10s, e.g. 40ms", "%s is %q", spelling.Short(key), spelling.Short(text[key]))
		default:
			w.own[pairOf(a, b)] = d
			known = append(known, a, b)
		}
	}
	everybody := append(slices.Clone(nodes), WANClients)
	for _, key := range keys {
		if place := text[key]; !strings.Contains(key, "/") {
			switch {
			case !slices.Contains(everybody, key) && !nodeName.MatchString(key):
				note(key, spelling.DidYouMean(key, everybody), "unknown node %q", spelling.Short(key))
			case !slices.Contains(known, place):
				note(key, "give its round trips, e.g. "+place+"/us-east: 40ms; "+spelling.DidYouMean(place, known), "unknown region %q", spelling.Short(place))
			}
		}
	}
	for _, who := range everybody {
		if text[who] == "" {
			note("", "add "+who+": "+known[0], "nobody says where %s is", map[bool]string{true: "the harness with its clients", false: who}[who == WANClients])
		}
		w.places = append(w.places, text[who])
	}
	if len(wrong) > 0 {
		return w, wrong
	}
	told := map[[2]string]bool{}
	for _, a := range w.places {
		for _, b := range w.places {
			if _, ok := w.rtt(a, b); !ok && !told[pairOf(a, b)] {
				told[pairOf(a, b)] = true
				note("", fmt.Sprintf("add %s/%s: 40ms", a, b), "the round trip between %s and %s is not known", a, b)
			}
		}
	}
	return w, wrong
}

func pairOf(a, b string) [2]string {
	if b < a {
		a, b = b, a
	}
	return [2]string{a, b}
}

// rtt is the round trip between two regions: the plan's own, or the known one.
func (w WAN) rtt(a, b string) (time.Duration, bool) {
	if d, ok := w.own[pairOf(a, b)]; ok || a == b {
		return d, true
	}
	return RegionRTT(a, b)
}

// RTT is the round trip between two, by a Graph's numbers.
func (w WAN) RTT(a, b int) time.Duration {
	d, _ := w.rtt(w.places[a], w.places[b])
	return d
}

// Links are what each node's agent has to do: half of the round trip on what arrives
// there, and all of it on what clients send.
func (w WAN) Links(c Cluster) [][]cluster.Link {
	links := make([][]cluster.Link, len(c.Names))
	for from := range w.places {
		for to := range w.places {
			if d := w.RTT(from, to); from != to && d > 0 {
				for node, list := range c.Shaped(from, to, cluster.Link{Delay: d / 2}) {
					links[node] = append(links[node], list...)
				}
			}
		}
	}
	return links
}

// Describe tells who is how far from whom: "n1 (eu-west) – n2 (us-east) 73ms, …".
func (w WAN) Describe(nodes []string) string {
	names := append(slices.Clone(nodes), WANClients)
	var words []string
	for a := range names {
		for b := range a {
			words = append(words, fmt.Sprintf("%s (%s) – %s (%s) %s", names[b], w.places[b], names[a], w.places[a], w.RTT(a, b)))
		}
	}
	return strings.Join(words, ", ")
}
