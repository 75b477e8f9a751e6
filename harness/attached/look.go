package attached

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/targets"
)

// lookTimeout bounds each question of a first look.
const lookTimeout = 5 * time.Second

// Report is what a first look at a deployment tells. It has touched nothing.
type Report struct {
	Called string     `json:"called"` // to be typed out by whoever allows that it is broken
	Place  string     `json:"place"`
	Nodes  []Node     `json:"nodes"`
	Doors  []DoorLook `json:"doors,omitempty"`
	Faults []Fault    `json:"faults"`
	Makes  []string   `json:"makes"`           // what a run creates there, and removes in the end
	Breaks []string   `json:"breaks"`          // what the plan's faults do
	Left   []string   `json:"left,omitempty"`  // what runs that died have left there
	Wrong  []string   `json:"wrong,omitempty"` // why a run would be refused
}

// Node is one node at a first look.
type Node struct {
	Name     string            `json:"name"`
	Addr     string            `json:"addr"`
	Version  string            `json:"version,omitempty"`
	Role     string            `json:"role,omitempty"`
	Detail   string            `json:"detail,omitempty"`
	Error    string            `json:"error,omitempty"` // why it was not told
	Settings []targets.Setting `json:"settings,omitempty"`
}

// DoorLook is one way in at a first look.
type DoorLook struct {
	Role  string `json:"role"`
	Leads string `json:"leads,omitempty"` // to which node
	Error string `json:"error,omitempty"`
}

// Fault is a kind of fault, and why it is not possible there; empty: it is.
type Fault struct {
	Kind string `json:"kind"`
	Why  string `json:"why,omitempty"`
}

// Look has a first look at the deployment of a plan. The error says why there was
// nothing to look at; what is missing of a node stands in the report.
func Look(ctx context.Context, p *plan.Plan, target targets.Target) (*Report, error) {
	system, err := System(p, target, targets.Config{Replicas: p.Target.Replicas, Options: p.Target.Options, Seed: p.Seed}, ObjectsOf("doctor"))
	if err != nil {
		return nil, err
	}
	place := Place(p)
	found, err := place.Find(ctx, cluster.AttachSpec{Port: system.Port()})
	if err != nil {
		return nil, err
	}
	v := &Visit{found, system}
	defer func() { _ = v.closeAll(context.WithoutCancel(ctx)) }() // it has only looked
	r := &Report{Called: found.Called(), Place: place.Name(), Nodes: v.lookAtNodes(ctx), Doors: v.lookThroughDoors(ctx, p), Faults: v.lookAtFaults(ctx), Breaks: breaks(p),
		Makes: []string{"objects whose names begin with " + Prefix + ", with what the workloads write"}}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if r.Left, err = system.Left(bounded, found.Nodes()); err != nil {
		r.Wrong = append(r.Wrong, err.Error())
	}
	primaries := 0
	for _, n := range r.Nodes {
		if n.Error != "" {
			r.Wrong = append(r.Wrong, n.Name+": "+n.Error)
		}
		if n.Role == string(targets.Primary) || n.Role == string(targets.Peer) {
			primaries++
		}
	}
	if primaries == 0 {
		r.Wrong = append(r.Wrong, "no node says that it is the primary")
	}
	for _, d := range r.Doors {
		if d.Error != "" {
			r.Wrong = append(r.Wrong, "the way in for the "+d.Role+": "+d.Error)
		}
	}
	if err := v.Missing(ctx, faults.Schedule(p.Faults, p.Duration, p.Seed)); err != nil {
		r.Wrong = append(r.Wrong, err.Error())
	}
	return r, nil
}

// closeAll closes what a look or a clean has opened.
func (v *Visit) closeAll(ctx context.Context) error {
	var err error
	if c, ok := v.System.(interface{ Close() error }); ok {
		err = c.Close()
	}
	return errors.Join(err, v.Close(ctx))
}

func (v *Visit) lookAtNodes(ctx context.Context) []Node {
	nodes := v.Nodes()
	list := make([]Node, len(nodes))
	var looking sync.WaitGroup
	for i, n := range nodes {
		looking.Go(func() { list[i] = v.lookAtNode(ctx, n) })
	}
	looking.Wait()
	return list
}

func (v *Visit) lookAtNode(ctx context.Context, n *cluster.Node) Node {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	port := n.Port
	if port == 0 {
		port = v.System.Port()
	}
	l := Node{Name: n.Name, Addr: net.JoinHostPort(n.At().String(), strconv.Itoa(port))}
	status, err := v.System.ClientStatus(ctx, n)
	if err != nil {
		l.Error = err.Error()
		return l
	}
	l.Role, l.Detail = string(status.Role), status.Detail
	if asked, ok := v.System.(targets.Versioned); ok {
		if l.Version, err = asked.Version(ctx, n); err != nil {
			l.Error = err.Error()
		}
	}
	if l.Settings, err = v.System.Settings(ctx, n); err != nil {
		l.Error = err.Error()
	}
	return l
}

func (v *Visit) lookThroughDoors(ctx context.Context, p *plan.Plan) []DoorLook {
	var list []DoorLook
	for _, d := range p.Doors() {
		l := DoorLook{Role: string(d.Role)}
		bounded, cancel := context.WithTimeout(ctx, lookTimeout)
		c, node, err := v.System.Enter(bounded, d, v.Nodes(), targets.ClientOptions{ConnectTimeout: lookTimeout, OpTimeout: lookTimeout})
		cancel()
		switch {
		case err != nil:
			l.Error = err.Error()
		default:
			if l.Leads = "a node that cannot be told"; node >= 0 {
				l.Leads = v.Nodes()[node].Name
			}
			_ = c.Close() // nothing was sent over it
		}
		list = append(list, l)
	}
	return list
}

func (v *Visit) lookAtFaults(ctx context.Context) []Fault {
	var list []Fault
	for _, info := range faults.Kinds() {
		kind, _ := faults.Lookup(info.Name)
		f := Fault{Kind: info.Name}
		if f.Why = v.never(kind); f.Why != "" {
			list = append(list, f)
			continue
		}
		for _, action := range kind.On(true).Actions() {
			if err := v.Can(ctx, action); err != nil {
				f.Why = err.Error()
				break
			}
		}
		list = append(list, f)
	}
	return list
}

// never says why faults of a kind are not for a deployment that somebody else runs;
// empty: they may be.
func (v *Visit) never(kind faults.Kind) string {
	_, tasked := v.System.(targets.Tasked)
	switch {
	case kind.Members != "":
		return "who is a member here is told to the deployment's own tools: have a command of theirs as exec"
	case kind.Replaces:
		return "the servers here are replaced by the deployment's own tools: have a command of theirs as exec"
	case kind.Name == faults.TaskKind && !tasked:
		return "this target has no tasks where it is attached to: have a command of its own as exec"
	}
	return ""
}

// breaks are the plan's faults in words.
func breaks(p *plan.Plan) []string {
	var list []string
	for _, f := range faults.Schedule(p.Faults, p.Duration, p.Seed) {
		list = append(list, fmt.Sprintf("%s of %s at %s", f.Spec.Name(), f.Spec.Victim, f.At))
	}
	return list
}

// Clean removes what runs that died have left in the deployment of a plan, and
// tells what that was.
func Clean(ctx context.Context, p *plan.Plan, target targets.Target) (removed []string, err error) {
	config := targets.Config{Replicas: p.Target.Replicas, Options: p.Target.Options, Seed: p.Seed}
	look := func(objects string, do func(*Visit) error) error {
		system, err := System(p, target, config, objects)
		if err != nil {
			return err
		}
		found, err := Place(p).Find(ctx, cluster.AttachSpec{Port: system.Port()})
		if err != nil {
			return err
		}
		v := &Visit{found, system}
		return errors.Join(do(v), v.closeAll(context.WithoutCancel(ctx)))
	}
	// First what cleans hosts: what a guest holds may keep the rest from being reached.
	if place, ok := Place(p).(interface {
		Clean(context.Context) ([]string, error)
	}); ok {
		if removed, err = place.Clean(ctx); err != nil {
			return removed, err
		}
	}
	var left []string
	err = look(ObjectsOf("doctor"), func(v *Visit) (err error) { left, err = v.System.Left(ctx, v.Nodes()); return err })
	if err != nil {
		return removed, err
	}
	for _, objects := range runsOf(left) {
		if err := look(objects, func(v *Visit) error { return v.System.Remove(ctx, v.Nodes()) }); err != nil {
			return removed, err
		}
		removed = append(removed, "what is called "+objects)
	}
	return removed, nil
}

// runsOf are the beginnings of names that runs gave their objects, each once.
func runsOf(objects []string) []string {
	var list []string
	for _, o := range objects {
		list = append(list, o[:min(len(o), len(Prefix)+objectsLetters)])
	}
	slices.Sort(list)
	return slices.Compact(list)
}
