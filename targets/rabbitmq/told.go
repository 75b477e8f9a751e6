package rabbitmq

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// What servers tell that somebody else runs. AMQP does not say who leads a queue;
// rabbitmqctl does, where a command can be run beside the server. It takes a second
// to start, so it is asked to answer when something has changed.

// askSource is what rabbitmqctl evaluates in the server. It changes nothing there.
//
//go:embed ask.erl
var askSource string

// askScript has a shell beside the server evaluate a source.
//
//go:embed ask.sh
var askScript string

const (
	changeFor   = 20 * time.Second       // a question for a change is answered after that at the latest
	changeSteps = 400                    // the looks of such a question, ask.erl pauses 50 ms between
	runTimeout  = 10 * time.Second       // for any other question
	againAfter  = time.Second            // a node that did not answer is asked again
	staleAfter  = changeFor + runTimeout // what was told last is not believed any longer
)

// errNoWay is why a node cannot be asked: nothing can be run beside it.
var errNoWay = errors.New("no rabbitmqctl can be run beside it, and AMQP does not tell")

// told is what nodes were last heard to tell. Its watchers end with close.
type told struct {
	vhost, objects string
	ctx            context.Context
	cancel         context.CancelFunc
	running        sync.WaitGroup

	mu    sync.Mutex
	nodes map[int]*toldNode
}

// toldNode is one node. It is guarded by the mutex of told.
type toldNode struct {
	watched bool
	role    map[string]string
	at      time.Time // of role

	wanted  time.Time         // since when a state of health is waited for; zero: it is not
	asking  bool              // it is asked for it
	health  map[string]string // asked for at began
	failed  error             // instead
	began   time.Time
	changed chan struct{} // closed and replaced with every answer
}

func newTold(vhost, objects string) *told {
	t := &told{vhost: vhost, objects: objects, nodes: map[int]*toldNode{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

func (t *told) close() {
	t.mu.Lock()
	t.cancel()
	t.mu.Unlock()
	t.running.Wait()
}

// of is a node's, with the mutex held.
func (t *told) of(n *cluster.Node) *toldNode {
	its := t.nodes[n.Index]
	if its == nil {
		its = &toldNode{changed: make(chan struct{})}
		t.nodes[n.Index] = its
	}
	return its
}

// spawn runs f until told is closed, with the mutex held.
func (t *told) spawn(f func()) bool {
	if t.ctx.Err() != nil {
		return false
	}
	t.running.Go(f)
	return true
}

// role is what a node last told of the first queue's leader, nil if it has not, or
// not lately. It does not wait.
func (t *told) role(n *cluster.Node) map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	its := t.of(n)
	if !its.watched && n.Control != nil {
		its.watched = t.spawn(func() { t.watch(n) })
	}
	if time.Since(its.at) > staleAfter {
		return nil
	}
	return its.role
}

// watch asks a node again and again, each time for what differs from the last answer.
func (t *told) watch(n *cluster.Node) {
	last := ""
	for t.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(t.ctx, changeFor+runTimeout)
		answer, err := t.ask(ctx, n, fmt.Sprintf("Changed(%s, %d)", erlangBinary(last), changeSteps))
		cancel()
		if errors.Is(err, cluster.ErrCannot) {
			return // it never can
		}
		t.heard(n, answer, err)
		if last = answer; err == nil {
			continue
		}
		select {
		case <-t.ctx.Done():
		case <-time.After(againAfter):
		}
	}
}

// heard takes an answer in. What was told before is not believed after an error: the
// node may have started anew.
func (t *told) heard(n *cluster.Node, answer string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	its := t.of(n)
	its.at = time.Now()
	if its.role = nil; err == nil {
		its.role = parse(answer)
	}
}

// fresh is a node's role and state of health, as they were after it was first asked
// for them since the last answer: a question may need several calls.
func (t *told) fresh(ctx context.Context, n *cluster.Node) (map[string]string, error) {
	for {
		t.mu.Lock()
		its := t.of(n)
		if its.wanted.IsZero() {
			its.wanted = time.Now()
		}
		if !its.began.Before(its.wanted) {
			facts, err := its.health, its.failed
			its.wanted = time.Time{}
			t.mu.Unlock()
			return facts, err
		}
		if !its.asking {
			its.asking = t.spawn(func() { t.askHealth(n) })
		}
		changed := its.changed
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("rabbitmqctl has not answered yet: %w", ctx.Err())
		case <-t.ctx.Done():
			return nil, t.ctx.Err()
		case <-changed:
		}
	}
}

func (t *told) askHealth(n *cluster.Node) {
	ctx, cancel := context.WithTimeout(t.ctx, runTimeout)
	defer cancel()
	began := time.Now()
	answer, err := t.ask(ctx, n, "Line(case Role() of [{ready, \"false\"}] = R -> R; R -> R ++ Health() end)")
	t.mu.Lock()
	defer t.mu.Unlock()
	its := t.of(n)
	its.asking, its.began, its.health, its.failed = false, began, parse(answer), err
	close(its.changed)
	its.changed = make(chan struct{})
}

// queues are the names of queues that begin with prefix, as a node knows them.
func (t *told) queues(ctx context.Context, n *cluster.Node, prefix string) ([]string, error) {
	answer, err := t.ask(ctx, n, "Line(Owned("+erlangBinary(prefix)+"))")
	if err != nil {
		return nil, err
	}
	var names []string
	for word := range strings.FieldsSeq(answer) {
		names = append(names, strings.TrimPrefix(word, "queue="))
	}
	return names, nil
}

// answers finds the texts of a binary as Erlang prints it, on one line or several.
var answers = regexp.MustCompile(`(?s)<<(".*")?>>\s*$`)

var pieces = regexp.MustCompile(`"([^"]*)"`)

// ask evaluates a question in the server. The error wraps errNoWay where nothing can
// be run beside it.
func (t *told) ask(ctx context.Context, n *cluster.Node, question string) (string, error) {
	if n.Control == nil {
		return "", fmt.Errorf("%w: %w", cluster.ErrCannot, errNoWay)
	}
	source := fmt.Sprintf("Vhost = %s, Objects = %s,\n%s%s.", erlangBinary(t.vhost), erlangBinary(t.objects), askSource, question)
	output, err := n.Run(ctx, cluster.ServerSpec{Command: []string{"sh", "-c", askScript, "ask", source}})
	if errors.Is(err, cluster.ErrCannot) {
		return "", fmt.Errorf("%w: %w", errNoWay, err)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, lastLine(output))
	}
	found := answers.FindStringSubmatch(string(output))
	if found == nil {
		return "", fmt.Errorf("rabbitmqctl said %q", lastLine(output))
	}
	var b strings.Builder
	for _, piece := range pieces.FindAllStringSubmatch(found[1], -1) {
		b.WriteString(piece[1])
	}
	return b.String(), nil
}

// lastLine is the end of what a command said, short enough for an error.
func lastLine(output []byte) string {
	const most = 200
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	return last[max(0, len(last)-most):]
}

// erlangBinary spells any text for Erlang.
func erlangBinary(text string) string {
	numbers := make([]string, len(text))
	for i := range len(text) {
		numbers[i] = fmt.Sprint(text[i])
	}
	return "<<" + strings.Join(numbers, ",") + ">>"
}
