package live

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/harness"
	"github.com/aftershock-chaos/aftershock/history"
)

// momentEvery is the time between two events that tell how the load goes.
const momentEvery = time.Second

// event is one line of --events json; docs/events.md says what each has.
type event struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"`
	Plan  string    `json:"plan,omitempty"`
	Run   string    `json:"run,omitempty"`

	// launching
	Number int      `json:"number,omitempty"`
	Of     int      `json:"of,omitempty"`
	Varied []string `json:"varied,omitempty"`

	*happening
	*moments

	// verdict
	Verdict string `json:"verdict,omitempty"`
	Exit    *int   `json:"exit,omitempty"`
	Dir     string `json:"dir,omitempty"`

	Text string `json:"text,omitempty"` // log, error
}

// happening is an event of the run's own.
type happening struct {
	At     int64    `json:"at_ns"`
	Fault  string   `json:"fault,omitempty"`
	Name   string   `json:"name,omitempty"`
	Node   string   `json:"node,omitempty"`
	Nodes  []string `json:"nodes,omitempty"`
	Epoch  uint64   `json:"epoch,omitempty"`
	Detail string   `json:"detail,omitempty"`
	Failed bool     `json:"failed,omitempty"`
}

// moments are how the load goes.
type moments struct {
	Phase        string   `json:"phase"`
	Elapsed      float64  `json:"elapsed_s"`
	Total        float64  `json:"total_s"`
	Usual        float64  `json:"usual_s,omitempty"` // how long the phase took in the run before
	Share        float64  `json:"share,omitempty"`   // of judging, that is done
	Acknowledged uint64   `json:"acknowledged"`
	Refused      uint64   `json:"refused"`
	Unknown      uint64   `json:"unknown"`
	Rate         float64  `json:"rate"`
	WriteP99     float64  `json:"write_p99_ms"`
	Primary      string   `json:"primary"`
	InForce      []string `json:"in_force"`
	NextFault    string   `json:"next_fault,omitempty"`
	Next         float64  `json:"next_s,omitempty"`
	Contradicted bool     `json:"contradicted"` // a register was seen not to be linearizable
}

// events writes what happens as JSON, an object a line.
type events struct {
	out  io.Writer
	plan string
	run  string
	told time.Time // the last moment
}

// write writes one line; who reads no more hears no more.
func (e *events) write(line event) {
	if line.Time.IsZero() {
		line.Time = time.Now()
	}
	line.Time = line.Time.UTC()
	if line.Event != "log" && line.Event != "error" && line.Plan == "" {
		line.Plan, line.Run = e.plan, e.run
	}
	text, err := json.Marshal(line)
	if err != nil {
		return // none of its fields can fail
	}
	_, _ = e.out.Write(append(text, '\n'))
}

func (e *events) begin(r Run) {
	e.plan, e.run = r.Plan, ""
	e.write(event{Event: "launching", Number: r.Number, Of: r.Of, Varied: r.Varied})
}

func (e *events) show(p harness.Progress) {
	e.plan, e.run = p.Plan, p.Run
	for i := range p.Events {
		one := &p.Events[i]
		e.write(event{Time: p.Began.Add(time.Duration(one.At)), Event: string(one.Kind), happening: happened(one)})
	}
	now := time.Now()
	if now.Sub(e.told) < momentEvery {
		return
	}
	e.told = now
	m := &moments{Phase: p.Phase, Elapsed: p.Elapsed.Seconds(), Total: p.Total.Seconds(), Usual: p.Usual.Seconds(), Share: p.Share, Acknowledged: p.Acked, Refused: p.Failed, Unknown: p.Unknown, Rate: p.Rate,
		WriteP99: float64(p.WriteP99) / float64(time.Millisecond), Primary: p.Primary, InForce: p.Faults, NextFault: p.NextFault, Next: p.Next.Seconds(),
		Contradicted: p.Linearizable == checkers.False}
	if m.InForce == nil {
		m.InForce = []string{}
	}
	e.write(event{Time: now, Event: "moment", moments: m})
}

func happened(e *history.Event) *happening {
	return &happening{At: e.At, Fault: e.Fault, Name: e.Name, Node: e.Node, Nodes: e.Nodes, Epoch: e.Epoch, Detail: e.Detail, Failed: e.Failed}
}

// log takes lines that are for people.
func (e *events) log(text string) {
	for line := range strings.Lines(text) {
		e.write(event{Event: "log", Text: strings.TrimRight(line, "\r\n")})
	}
}
