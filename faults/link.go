package faults

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/schema"
)

// BothWays is the direction of what a victim sends and of what is sent to it.
const BothWays = "both"

// Link says how bad a link is. Chances are percent.
type Link struct {
	Delay, Jitter                            time.Duration
	Loss, Burst, Duplicate, Reorder, Corrupt float64
	Rate                                     schema.Bits
}

const (
	mostDelay  = float64(time.Minute)
	leastShare = 0.0001 // percent
	mostBurst  = 10_000
	leastRate  = 1e3
	mostRate   = 1e12
)

// linkKind: the network goes on, but badly.
func linkKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "link", Victims: anyVictim(),
			About: "packets to and from the victims are held, lost, doubled, reordered or corrupted, or their rate is limited; connections go on, badly"},
		Keys:  linkKeys(),
		Done:  "given bad links",
		Steps: linkSteps,
		Does:  []cluster.ActionKind{cluster.Shape, cluster.Unshape},
		Needs: func(_ Spec, n *cluster.Needs) { n.Shape = true },
		fill: func(s *Spec) {
			orFirst(&s.From, fromAny())
			orFirst(&s.Direction, linkDirections())
		},
		validate: validateLink,
		verify:   verifyLink,
		brief:    func(title string) string { return title },
	}
}

func linkDirections() []string { return []string{BothWays, In, Out} }

func linkKeys() []schema.Key[Spec] {
	share := func(name, meaning, example string, at func(l *Link) *float64) schema.Key[Spec] {
		return schema.Key[Spec]{Field: schema.Field{Name: name, Type: schema.Percent, Min: leastShare, Max: 100, Absent: "none", Example: example, Meaning: meaning},
			At: func(s *Spec) any { return at(&s.Link) }}
	}
	return []schema.Key[Spec]{
		{Field: schema.Field{Name: "from", Type: schema.Word, Words: fromAny(), Default: FromNodes,
			Meaning: "the other ends of the victim's links"}, At: func(s *Spec) any { return &s.From }},
		{Field: schema.Field{Name: "direction", Type: schema.Word, Words: linkDirections(), Default: BothWays,
			Meaning: "which packets: in is what is sent to the victim, out what it sends"}, At: func(s *Spec) any { return &s.Direction }},
		{Field: schema.Field{Name: "delay", Type: schema.Duration, Max: mostDelay, Absent: "none", Example: "20ms",
			Meaning: "how long each packet is held; of both directions, a round trip takes twice as much longer"}, At: func(s *Spec) any { return &s.Link.Delay }},
		{Field: schema.Field{Name: "jitter", Type: schema.Duration, Max: mostDelay, Absent: "none", Example: "5ms",
			Meaning: "a random time besides, normal with this deviation; packets do not overtake each other for it"}, At: func(s *Spec) any { return &s.Link.Jitter }},
		share("loss", "the share of packets that are lost", "1%", func(l *Link) *float64 { return &l.Loss }),
		{Field: schema.Field{Name: "burst", Type: schema.Number, Min: 1, Max: mostBurst, Absent: "each packet for itself", Example: "4",
			Meaning: "with loss: how many packets are lost in a row, on average (Gilbert's model); the share stays"}, At: func(s *Spec) any { return &s.Link.Burst }},
		share("duplicate", "the share of packets that come twice", "1%", func(l *Link) *float64 { return &l.Duplicate }),
		share("reorder", "the share of packets that overtake those that are held or, without delay, are overtaken", "5%", func(l *Link) *float64 { return &l.Reorder }),
		share("corrupt", "the share of TCP and UDP packets in which one bit is flipped under a checksum that fits, so that the application gets it", "0.1%", func(l *Link) *float64 { return &l.Corrupt }),
		{Field: schema.Field{Name: "rate", Type: schema.Bandwidth, Min: leastRate, Max: mostRate, Absent: "no limit", Example: "10mbit",
			Meaning: "bits per second that each link carries in each direction; what waits for more than 200ms is lost"}, At: func(s *Spec) any { return &s.Link.Rate }},
	}
}

func validateLink(spec Spec, nodes []string) error {
	l := spec.Link
	from, direction := cmp.Or(spec.From, FromNodes), cmp.Or(spec.Direction, BothWays)
	switch {
	case !slices.Contains(fromAny(), from):
		return fmt.Errorf("from is %q; use %s", spec.From, strings.Join(fromAny(), ", "))
	case !slices.Contains(linkDirections(), direction):
		return fmt.Errorf("direction is %q; use %s", spec.Direction, strings.Join(linkDirections(), ", "))
	case l.Delay == 0 && l.Jitter == 0 && l.Loss == 0 && l.Duplicate == 0 && l.Reorder == 0 && l.Corrupt == 0 && l.Rate == 0:
		return errors.New("the link is as good as ever; say what is wrong with it, e.g. delay: 20ms or loss: 1%")
	case l.Burst > 0 && l.Loss == 0:
		return errors.New("burst is of what is lost, and nothing is: add loss: 1%")
	case l.Burst > 1 && l.Loss < 100 && l.Loss > 100*l.Burst/(l.Burst+1):
		return fmt.Errorf("a loss of %g%% cannot come in bursts of %g: at least one packet comes between two, so that at most %.4g%% are lost", l.Loss, l.Burst, 100*l.Burst/(l.Burst+1))
	case from == FromNodes && len(nodes) < 2:
		return errors.New("there are no links between fewer than 2 nodes: raise target.replicas to 1, or use from: clients")
	}
	return validateVictim(spec.Victim, anyVictim(), nodes)
}

// edge is what one sends to the other.
type edge struct{ from, to int }

// edges are the links of the victims in a graph's numbers, each direction once.
func edges(victims []int, from, direction string, nodes int) []edge {
	g := NewGraph(nodes)
	all := map[edge]bool{}
	for _, v := range victims {
		for _, peer := range g.peers(v, from) {
			if direction != Out {
				all[edge{peer, v}] = true
			}
			if direction != In {
				all[edge{v, peer}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b edge) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
}

// linkSteps shape each link where it ends.
func linkSteps(p Planned, victims []int, c Cluster) ([]Step, string) {
	l := p.Spec.Link
	shape := cluster.Link{Delay: l.Delay, Jitter: l.Jitter, Loss: l.Loss / 100, Duplicate: l.Duplicate / 100, Reorder: l.Reorder / 100,
		Corrupt: l.Corrupt / 100, Burst: l.Burst, Rate: int64(l.Rate)}
	links := make([][]cluster.Link, len(c.Names))
	for _, e := range edges(victims, cmp.Or(p.Spec.From, FromNodes), cmp.Or(p.Spec.Direction, BothWays), len(c.Names)) {
		for node, list := range c.Shaped(e.from, e.to, shape) {
			links[node] = append(links[node], list...)
		}
	}
	var steps []Step
	for node, list := range links {
		if len(list) > 0 {
			steps = append(steps, Step{Node: node, Begin: cluster.Action{Kind: cluster.Shape, Links: list}, End: cluster.Action{Kind: cluster.Unshape}})
		}
	}
	return steps, l.words() + " between " + list(namesOf(c, victims)) + " and " + map[string]string{FromNodes: "the other nodes", FromClients: "clients", FromAll: "everybody"}[cmp.Or(p.Spec.From, FromNodes)]
}

func namesOf(c Cluster, nodes []int) []string {
	var names []string
	for _, i := range nodes {
		names = append(names, c.Names[i])
	}
	return names
}

// Shaped is what the agents of which nodes have to do with what from sends to to,
// numbers of a Graph, for the link to be like l. The receiver's node does it. Clients
// have no agent: what they are sent is lost and limited by its sender, but held as
// part of what they send, as a sender's own kernel would hold back what is held at
// its output. A round trip takes as long.
func (c Cluster) Shaped(from, to int, l cluster.Link) map[int][]cluster.Link {
	addr := func(i int) netip.Addr {
		if i < len(c.Addrs) {
			return c.Addrs[i]
		}
		return c.Clients
	}
	if to < len(c.Addrs) {
		l.Peer = addr(from)
		return map[int][]cluster.Link{to: {l}}
	}
	var shaped []cluster.Link
	if l.Delay > 0 || l.Jitter > 0 {
		shaped = append(shaped, cluster.Link{Peer: c.Clients, Delay: l.Delay, Jitter: l.Jitter})
	}
	l.Peer, l.Out, l.Delay, l.Jitter = c.Clients, true, 0, 0
	if l.Loss > 0 || l.Duplicate > 0 || l.Reorder > 0 || l.Corrupt > 0 || l.Rate > 0 {
		shaped = append(shaped, l)
	}
	return map[int][]cluster.Link{from: shaped}
}

// words say what is wrong with a link: "20ms ± 5ms, 1% lost".
func (l Link) words() string {
	var words []string
	add := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(l.Delay > 0 && l.Jitter == 0, "%s later", l.Delay)
	add(l.Jitter > 0, "%s ± %s later", l.Delay, l.Jitter)
	add(l.Loss > 0 && l.Burst <= 1, "%g%% lost", l.Loss)
	add(l.Loss > 0 && l.Burst > 1, "%g%% lost in bursts of %g", l.Loss, l.Burst)
	add(l.Duplicate > 0, "%g%% twice", l.Duplicate)
	add(l.Reorder > 0, "%g%% reordered", l.Reorder)
	add(l.Corrupt > 0, "%g%% corrupted", l.Corrupt)
	add(l.Rate > 0, "%s", l.Rate)
	return strings.Join(words, ", ")
}

// verifyLink wants packets to have been touched.
func verifyLink(e Evidence) (string, bool) {
	var words []string
	for _, what := range []string{"held", "lost", "duplicated", "reordered", "corrupted"} {
		if n := e.Counts["packets "+what]; n > 0 {
			words = append(words, what+" "+units.Plural(int(min(n, 1<<53)), "packet", "packets"))
		}
	}
	switch {
	case len(words) > 0:
		return list(words), true
	case e.Healed:
		return "it touched no packet, so nobody can have noticed it; have it last longer (for), make its chances greater, or choose links that are used (of, from)", false
	}
	return "it was not seen to touch a packet: its heal was not recorded; see harness.log in the run's folder", false
}

// resetKind: connections are cut off, and both ends are told.
func resetKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "reset", Victims: anyVictim(),
			About: "established connections of the victims are ended with a RST, as by a firewall that forgot them; new ones are welcome at once"},
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "from", Type: schema.Word, Words: fromAny(), Default: FromAll,
				Meaning: "whose connections with the victim"}, At: func(s *Spec) any { return &s.From }},
		},
		Alone:   "of",
		Done:    "reset",
		Instant: true,
		Steps: func(p Planned, victims []int, c Cluster) ([]Step, string) {
			from := cmp.Or(p.Spec.From, FromAll)
			g := NewGraph(len(c.Names))
			var steps []Step
			for _, v := range victims {
				var rules []cluster.Rule
				for _, peer := range g.peers(v, from) {
					r := cluster.Rule{Peer: c.Clients, In: true, Out: true}
					if peer < len(c.Addrs) {
						r.Peer = c.Addrs[peer]
					}
					rules = append(rules, r)
				}
				steps = append(steps, Step{Node: v, Begin: cluster.Action{Kind: cluster.Reset, Rules: rules}})
			}
			return steps, "connections with " + map[string]string{FromNodes: "nodes", FromClients: "clients", FromAll: "nodes and clients"}[from]
		},
		Does: []cluster.ActionKind{cluster.Reset},
		fill: func(s *Spec) { orFirst(&s.From, []string{FromAll}) },
		validate: func(spec Spec, nodes []string) error {
			switch from := cmp.Or(spec.From, FromAll); {
			case !slices.Contains(fromAny(), from):
				return fmt.Errorf("from is %q; use %s", spec.From, strings.Join(fromAny(), ", "))
			case spec.For > 0:
				return errors.New("a reset is over at once: leave for out")
			case from == FromNodes && len(nodes) < 2:
				return errors.New("there are no connections between fewer than 2 nodes: raise target.replicas to 1, or use from: clients")
			}
			return validateVictim(spec.Victim, anyVictim(), nodes)
		},
		verify: func(e Evidence) (string, bool) {
			if n := e.Counts["connections reset"]; n > 0 {
				return "reset " + units.Plural(int(min(n, 1<<53)), "connection", "connections"), true
			}
			return "it found no connection to reset; choose a victim that has some (from)", false
		},
	}
}
