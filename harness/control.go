package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/wholefile"
	"github.com/aftershock-chaos/aftershock/results"
)

// ControlMode says what Run does about a plan's negative control.
type ControlMode string

const (
	ControlCached ControlMode = ""       // it is made once for each plan, version and host, and what it showed is kept
	ControlAlways ControlMode = "always" // it is made
	ControlNo     ControlMode = "no"     // it is left out, which the verdict tells
)

// controlTries is how often a control may fail to violate its claims.
const controlTries = 3

// makeControl finds out what the plan's negative control shows, by what is kept
// or by up to controlTries runs of it, each with a seed of its own. It is nil if
// the plan has none or none is wanted.
func (r *request) makeControl(ctx context.Context, host Host) (*results.Control, error) {
	p, err := r.plan.ControlPlan()
	if err != nil || p == nil || r.options.Control == ControlNo {
		return nil, err
	}
	kept, err := keptControlOf(ctx, p, host, r.options.Binary)
	if err != nil {
		r.options.Logger.Warn("what the control shows will not be kept", "err", err)
	}
	if r.options.Control != ControlAlways {
		if c := kept.read(); c.CouldFail() {
			r.options.Logger.Info("negative control: "+c.Words(), "kept", string(kept))
			return c, nil
		}
	}
	c := &results.Control{Violates: p.Claims}
	for _, path := range slices.Sorted(maps.Keys(r.plan.Control.Set)) {
		c.Set = append(c.Set, results.Setting{Path: path, Value: r.plan.Control.Set[path]})
	}
	for c.Tries < controlTries && !c.CouldFail() {
		if err := r.tryControl(ctx, host, p, c); err != nil {
			return nil, err
		}
		r.options.Logger.Info("negative control: "+c.Words(), "run", c.Run)
	}
	if c.CouldFail() {
		if err := kept.write(c); err != nil {
			r.options.Logger.Warn("what the control showed was not kept", "err", err)
		}
	}
	return c, nil
}

// tryControl makes one run of the control.
func (r *request) tryControl(ctx context.Context, host Host, p *plan.Plan, c *results.Control) error {
	options := r.options
	options.Control = ControlNo
	run, err := newRequest(p, options)
	if err != nil {
		return err
	}
	run.plan.Seed = r.plan.Seed + uint64(c.Tries)
	run.schedule = faults.Schedule(run.plan.Faults, run.plan.Duration, run.plan.Seed)
	result, err := run.on(ctx, host)
	if err != nil {
		return err
	}
	c.Tries++
	c.Run, c.Made = filepath.Base(result.Dir), result.Verdict.Started.UTC().Truncate(time.Second)
	violated, details := true, []string{}
	for _, claim := range result.Verdict.Claims {
		violated = violated && claim.Answer == results.Violated
		details = append(details, claim.Detail)
	}
	c.Detail = strings.Join(details, "; ")
	if violated {
		c.Violated++
	}
	return nil
}

// keptControl is the file that keeps what a control showed; empty: it cannot be
// kept.
type keptControl string

// keptControlOf is the file for a control. Its name is the digest of all that
// could change what the control shows: the plan but for its seed, the host, the
// image of the nodes, and this very program.
func keptControlOf(ctx context.Context, p *plan.Plan, host Host, binary string) (keptControl, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache: %w; set XDG_CACHE_HOME or HOME", err)
	}
	p = p.Clone()
	p.Seed = 0
	text, err := p.YAML()
	if err != nil {
		return "", err
	}
	deployed, err := configure(ctx, p, "", host)
	if err != nil {
		return "", err
	}
	if err := deployed.choose(ctx, p.Target.Image); err != nil {
		return "", err
	}
	digest := sha256.New()
	fmt.Fprintf(digest, "%s\n%s\n%s\n", text, host.Name, deployed.image)
	program, err := os.Open(binary)
	if err != nil {
		return "", err
	}
	defer program.Close()
	if _, err := io.Copy(digest, program); err != nil {
		return "", err
	}
	return keptControl(filepath.Join(cache, "aftershock", "controls", hex.EncodeToString(digest.Sum(nil))+".json")), nil
}

// read is what was kept; nil if nothing was that can be read.
func (k keptControl) read() *results.Control {
	text, err := os.ReadFile(string(k))
	if err != nil {
		return nil
	}
	var c results.Control
	if json.Unmarshal(text, &c) != nil {
		return nil // it is made again
	}
	c.Kept = true
	return &c
}

// write keeps what the control showed, in one step.
func (k keptControl) write(c *results.Control) error {
	if k == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(string(k)), 0o755); err != nil {
		return err
	}
	return wholefile.Replace(string(k), 0o644, func(w io.Writer) error { return json.NewEncoder(w).Encode(c) })
}
