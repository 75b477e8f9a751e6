package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/aftershock-chaos/aftershock/cluster/local"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// SandboxCommand is the hidden command of the aftershock binary that executes
// a plan inside the local host's namespaces.
const SandboxCommand = "sandbox"

// maxStderr bounds what is kept of a sandbox's standard error, in bytes.
const maxStderr = 64 << 10

// sandboxRequest is what the sandbox reads from its standard input: a request
// in a form that can be sent. The plan is its YAML, which is the one form that
// says the whole plan (a Plan's fields alone do not tell a zero that is meant
// from one that takes the default), and what the run directory keeps: the
// sandbox executes what a replay would read.
type sandboxRequest struct {
	Plan     []byte
	Schedule []faults.Planned
	Varied   []results.Setting
	Origin   plan.Origin
	Control  *results.Control
	Launch   string
	RunsDir  string
	Binary   string
	Memory   uint64
	Metrics  bool
	Clocks   map[string]history.Wrong
}

// sandboxMessage is one line of the sandbox's standard output; one field is set.
type sandboxMessage struct {
	Progress *Progress       `json:"progress,omitempty"`
	Log      json.RawMessage `json:"log,omitempty"` // a record of slog's JSON handler
	Done     *sandboxDone    `json:"done,omitempty"`
}

// sandboxDone ends the sandbox's output.
type sandboxDone struct {
	Dir     string           `json:"dir,omitempty"`
	Verdict *results.Verdict `json:"verdict,omitempty"`
	Error   string           `json:"error,omitempty"`
	Kind    string           `json:"kind,omitempty"` // which sentinel the error wraps
}

var sandboxKinds = map[string]error{"input": failure.ErrInput, "infrastructure": failure.ErrInfrastructure, "interrupted": failure.ErrInterrupted}

// runSandboxed re-executes the binary inside fresh namespaces, where the nodes
// can live without touching the machine's own network, and follows it.
func runSandboxed(ctx context.Context, r *request) (*judge.Result, error) {
	text, err := r.plan.YAML()
	if err != nil {
		return nil, fmt.Errorf("%w: encode the plan: %w", failure.ErrInfrastructure, err)
	}
	request, err := json.Marshal(sandboxRequest{Plan: text, Schedule: r.schedule, Varied: r.varied, Origin: r.origin, Control: r.control, Launch: r.launch,
		RunsDir: r.options.RunsDir, Binary: r.options.Binary, Memory: r.options.Memory, Metrics: r.options.Metrics, Clocks: r.clocks})
	if err != nil {
		return nil, fmt.Errorf("%w: encode the request: %w", failure.ErrInfrastructure, err)
	}
	command, err := local.Command(ctx, r.options.Binary, []string{SandboxCommand})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInfrastructure, err)
	}
	stderr := &tail{limit: maxStderr}
	command.Stdin, command.Stderr = bytes.NewReader(request), stderr
	// A pipe of our own: the command's end must not close it before it is read.
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInfrastructure, err)
	}
	defer out.Close()
	command.Stdout = in
	wait, err := local.Start(command)
	_ = in.Close() // the child has its own
	if err != nil {
		return nil, orInterrupted(ctx, fmt.Errorf("%w: start the sandbox: %w", failure.ErrInfrastructure, err))
	}
	done, readErr := followSandbox(out, r.options)
	_ = out.Close() // a sandbox that says more must not block on it
	waitErr := wait()
	if done == nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w before the sandbox could tell of a result", failure.ErrInterrupted)
		}
		return nil, fmt.Errorf("%w: the sandbox ended without a result: %w\n%s", failure.ErrInfrastructure, errors.Join(readErr, waitErr), stderr)
	}
	return done.result()
}

// followSandbox passes progress and logs on until the sandbox's last word.
func followSandbox(r io.Reader, options Options) (*sandboxDone, error) {
	messages := json.NewDecoder(r)
	for {
		var m sandboxMessage
		if err := messages.Decode(&m); err != nil {
			return nil, fmt.Errorf("read from the sandbox: %w", err)
		}
		switch {
		case m.Progress != nil && options.Progress != nil:
			options.Progress(*m.Progress)
		case m.Log != nil:
			relog(options.Logger, m.Log)
		case m.Done != nil:
			return m.Done, nil
		}
	}
}

// result is what Run returns in this process.
func (d *sandboxDone) result() (*judge.Result, error) {
	var err error
	if d.Error != "" {
		err = sandboxError{text: d.Error, kind: sandboxKinds[d.Kind]}
	}
	if d.Verdict == nil {
		return nil, err
	}
	return &judge.Result{Dir: d.Dir, Verdict: d.Verdict}, err
}

// sandboxError is an error that crossed the process boundary: its text, and
// the sentinel that it wrapped.
type sandboxError struct {
	text string
	kind error
}

func (e sandboxError) Error() string { return e.text }

func (e sandboxError) Unwrap() error { return e.kind }

// ServeSandbox executes one plan inside the local host's namespaces: what the
// hidden command SandboxCommand does.
func ServeSandbox(ctx context.Context, in io.Reader, out io.Writer) error {
	if !local.InSandbox() {
		return fmt.Errorf("%w: %s is for the harness's own use; use `aftershock run`", failure.ErrInput, SandboxCommand)
	}
	if err := local.EnterSandbox(); err != nil {
		return fmt.Errorf("%w: %w", failure.ErrInfrastructure, err)
	}
	var sent sandboxRequest
	if err := json.NewDecoder(in).Decode(&sent); err != nil {
		return fmt.Errorf("%w: read the request: %w", failure.ErrInfrastructure, err)
	}
	plans, err := plan.Parse(rundir.PlanFile, sent.Plan, nil, Words()) // checks it, too
	if err != nil {
		return fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	host, _ := FindHost("local")
	w := &messageWriter{out: json.NewEncoder(out)}
	result, err := execute(ctx, &request{plan: plans[0], schedule: sent.Schedule, varied: sent.Varied, origin: sent.Origin, control: sent.Control, launch: sent.Launch, clocks: sent.Clocks,
		options: Options{RunsDir: sent.RunsDir, Binary: sent.Binary, Memory: sent.Memory, Metrics: sent.Metrics,
			Progress: func(p Progress) { w.send(sandboxMessage{Progress: &p}) },
			Logger:   slog.New(slog.NewJSONHandler(logWriter{w}, &slog.HandlerOptions{Level: slog.LevelDebug}))}}, host)
	done := &sandboxDone{}
	if result != nil {
		done.Dir, done.Verdict = result.Dir, result.Verdict
	}
	if err != nil {
		done.Error = err.Error()
		for kind, sentinel := range sandboxKinds {
			if errors.Is(err, sentinel) {
				done.Kind = kind
			}
		}
	}
	return w.send(sandboxMessage{Done: done})
}

// messageWriter sends messages one at a time.
type messageWriter struct {
	mu  sync.Mutex
	out *json.Encoder
}

func (w *messageWriter) send(m sandboxMessage) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Encode(m)
}

// logWriter wraps slog's lines into messages.
type logWriter struct{ *messageWriter }

func (w logWriter) Write(line []byte) (int, error) {
	return len(line), w.send(sandboxMessage{Log: bytes.TrimSpace(line)})
}

// relog hands a record of slog's JSON handler to another logger.
func relog(log *slog.Logger, line json.RawMessage) {
	var record map[string]any
	if json.Unmarshal(line, &record) != nil {
		return
	}
	var level slog.Level
	text, _ := record[slog.LevelKey].(string)
	_ = level.UnmarshalText([]byte(text)) // slog's own spelling
	message, _ := record[slog.MessageKey].(string)
	var attrs []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(record)) {
		if key != slog.LevelKey && key != slog.MessageKey && key != slog.TimeKey {
			attrs = append(attrs, slog.Any(key, record[key]))
		}
	}
	log.LogAttrs(context.Background(), level, message, attrs...)
}

// tail keeps the last bytes written to it.
type tail struct {
	limit int
	mu    sync.Mutex
	text  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - t.limit; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
