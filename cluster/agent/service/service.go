// Package service is what a guest does to the server of a machine that somebody else
// runs, beyond its processes: it watches when the server ends and starts, kills and
// stops it so that it stays down, and starts it again, by its unit of systemd or by
// commands; and it runs commands there.
//
// What it took down it starts again when it ends, whatever ends it but SIGKILL.
//
// Linux only.
package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/victim"
)

// Spec says which server, and how it is started and stopped where systemd does not.
type Spec struct {
	victim.Server
	// Start starts the server and returns, Stop stops it and keeps whoever supervises
	// it from starting it; both as root. A Unit needs neither.
	Start []string `json:"start,omitempty"`
	Stop  []string `json:"stop,omitempty"`
}

const (
	commandTimeout = 3 * time.Minute        // one command that starts or stops
	startWait      = 5 * time.Second        // for a start to have returned
	stopGrace      = 5 * time.Second        // of Stop
	deathTimeout   = 10 * time.Second       // to be gone after SIGKILL
	lookEvery      = 5 * time.Millisecond   // while somebody waits for an end
	searchEvery    = 50 * time.Millisecond  // for a server that does not run
	asideSeen      = 300 * time.Millisecond // for a server to end one of whose programs was crashed
	mostEvents     = 4096                   // that are kept
)

// Service is one server. All its methods may be called at a time.
type Service struct {
	spec      Spec
	processes *victim.Processes

	acting sync.Mutex // one action at a time

	mu       sync.Mutex
	down     bool // it was taken down from here
	asked    string
	askedFor bool // its end was asked for, by asked
	starting bool // it is being started from here
	events   []Event
	first    int // the number of events[0]
	changed  chan struct{}
}

// Event is an end or a start of the server, on this process's clock.
type Event struct {
	At      time.Time
	Began   bool
	Planned bool   // it was asked for from here
	By      string // of an end, the action that asked for it
}

// New does no I/O. Down says that the server was taken down from somewhere else, and
// has to be started in the end.
func New(spec Spec, down bool) *Service {
	return &Service{spec: spec, down: down, processes: victim.NewOf(spec.Server), changed: make(chan struct{})}
}

// Processes are the server's.
func (s *Service) Processes() *victim.Processes { return s.processes }

func (s *Service) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Service) note(e Event) {
	s.change(func() {
		s.events = append(s.events, e)
		if over := len(s.events) - mostEvents; over > 0 {
			s.events, s.first = s.events[over:], s.first+over
		}
	})
}

// NextEvent waits for the event of that number, or the first later one that is kept.
// It is not ok when ctx ends first.
func (s *Service) NextEvent(ctx context.Context, number int) (e Event, at int, ok bool) {
	for {
		s.mu.Lock()
		at = max(number, s.first)
		if at-s.first < len(s.events) {
			e = s.events[at-s.first]
			s.mu.Unlock()
			return e, at, true
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Event{}, 0, false
		}
	}
}

// CanStart says why the server cannot be taken down and started again, with the
// remedy; nil: it can.
func (s *Service) CanStart() error {
	if s.spec.Unit == "" && len(s.spec.Start) == 0 {
		return errors.New("nobody knows how to start the server again: say unit (of systemd), or start with the command")
	}
	return s.processes.Can()
}

// CanStop is CanStart for an end in order.
func (s *Service) CanStop() error {
	if s.spec.Unit == "" && len(s.spec.Stop) == 0 {
		return errors.New("nobody knows how to stop the server in order: say unit (of systemd), or stop with the command")
	}
	return s.CanStart()
}

// Kill sends SIGKILL to all of the server's processes, then has its supervisor leave
// it down.
func (s *Service) Kill(a cluster.Action) (cluster.Effect, error) {
	s.acting.Lock()
	defer s.acting.Unlock()
	if err := s.CanStart(); err != nil && !s.isDown() {
		return cluster.Effect{}, err
	}
	s.change(func() { s.down, s.asked, s.askedFor = true, a.ID, true })
	effect, err := s.processes.Crash(cluster.Action{ID: a.ID})
	if stopErr := s.keepDown(); err == nil && stopErr != nil {
		err = stopErr
	}
	if err == nil && s.runs() { // its supervisor was faster
		_, err = s.processes.Crash(cluster.Action{ID: a.ID})
	}
	if !effect.Changed {
		s.unask()
	}
	return effect, err
}

// keepDown tells whoever supervises the server that it is not to run. That it does
// not run any more is no error of a command's.
func (s *Service) keepDown() error {
	var command []string
	switch {
	case s.spec.Unit != "":
		command = []string{"systemctl", "stop", s.spec.Unit}
	case len(s.spec.Stop) > 0:
		command = s.spec.Stop
	default:
		return nil
	}
	output, err := s.command(command)
	if err == nil || s.spec.Unit == "" {
		return nil
	}
	return commandError(command, output, err)
}

// Stop ends the server in order, with SIGKILL after the grace.
func (s *Service) Stop(a cluster.Action) (cluster.Effect, error) {
	s.acting.Lock()
	defer s.acting.Unlock()
	if err := s.CanStop(); err != nil && !s.isDown() {
		return cluster.Effect{}, err
	}
	grace := a.Grace
	if grace <= 0 {
		grace = stopGrace
	}
	ran := s.runs()
	s.change(func() { s.down, s.asked, s.askedFor = true, a.ID, true })
	command := s.spec.Stop
	if s.spec.Unit != "" {
		command = []string{"systemctl", "stop", s.spec.Unit}
	}
	began := time.Now()
	result := make(chan error, 1)
	go func() {
		output, err := s.command(command)
		if err != nil {
			err = commandError(command, output, err)
		}
		result <- err
	}()
	gone := s.waitGone(grace)
	if !gone {
		if _, err := s.processes.Crash(cluster.Action{ID: a.ID}); err != nil {
			return cluster.Effect{}, err
		}
	}
	effect := cluster.Effect{At: time.Now(), Error: lookEvery, Changed: ran}
	err := <-result
	switch {
	case !ran:
		s.unask()
		return cluster.Effect{At: began}, nil
	case s.runs() && err != nil:
		return effect, err
	case s.runs():
		return effect, fmt.Errorf("%s has ended, and the server runs again: it has to keep whoever supervises it from starting it", command[0])
	}
	return effect, nil
}

// Restart starts the server after Kill or Stop. It took effect when the command had
// returned, or was seen to take longer than startWait: a node that is rewound first, or
// copied, is on its way then, and the command goes on.
func (s *Service) Restart(cluster.Action) (cluster.Effect, error) {
	s.acting.Lock()
	if !s.isDown() && s.runs() {
		s.acting.Unlock()
		return cluster.Effect{At: time.Now()}, nil
	}
	began := time.Now()
	result := make(chan error, 1)
	go func() {
		defer s.acting.Unlock()
		result <- s.start()
	}()
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	var err error
	select {
	case err = <-result:
	case <-timer.C:
	}
	if err != nil {
		return cluster.Effect{}, err
	}
	now := time.Now()
	return cluster.Effect{At: now, Error: now.Sub(began), Changed: true}, nil
}

// start starts the server. The caller holds acting.
func (s *Service) start() error {
	command := s.spec.Start
	if s.spec.Unit != "" {
		_, _ = s.command([]string{"systemctl", "reset-failed", s.spec.Unit}) // it was killed several times in a row
		command = []string{"systemctl", "start", s.spec.Unit}
	}
	if len(command) == 0 {
		return s.CanStart()
	}
	s.change(func() { s.starting = true })
	output, err := s.command(command)
	if err != nil {
		s.change(func() { s.starting = false })
		return commandError(command, output, err)
	}
	s.change(func() { s.down = false })
	return nil
}

// Crash ends the server's processes, or those of one program, and leaves what comes
// then to whoever supervises it.
func (s *Service) Crash(a cluster.Action) (cluster.Effect, error) {
	s.acting.Lock()
	defer s.acting.Unlock()
	pid, started, ran := s.processes.Leader()
	s.change(func() { s.asked, s.askedFor = a.ID, true })
	effect, err := s.processes.Crash(a)
	if err != nil || !effect.Changed {
		s.unask()
		return effect, err
	}
	for deadline := time.Now().Add(asideSeen); ran && victim.Lives(pid, started) && time.Now().Before(deadline); {
		time.Sleep(lookEvery)
	}
	if ran && victim.Lives(pid, started) && s.unask() { // one of its programs, or one beside it
		s.note(Event{At: effect.At, Planned: true, By: a.ID})
	}
	return effect, nil
}

func (s *Service) unask() (asked bool) {
	s.change(func() { asked = s.askedFor; s.asked, s.askedFor = "", false })
	return asked
}

func (s *Service) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

func (s *Service) runs() bool {
	_, _, ok := s.processes.Leader()
	return ok
}

// waitGone waits until the server does not run.
func (s *Service) waitGone(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(lookEvery) {
		if !s.runs() {
			return true
		}
	}
	return !s.runs()
}

// Close lets go on what is paused, and starts what was taken down.
func (s *Service) Close() error {
	s.processes.Close()
	s.acting.Lock()
	defer s.acting.Unlock()
	if !s.isDown() {
		return nil
	}
	return s.start()
}

func commandError(command []string, output []byte, err error) error {
	said := strings.Join(strings.Fields(string(output)), " ")
	if len(said) > mostSaid {
		said = said[len(said)-mostSaid:]
	}
	if said != "" {
		said = ": " + said
	}
	if errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("%s is not there: say start and stop with commands of that machine", command[0])
	}
	return fmt.Errorf("%s: %w%s", strings.Join(command, " "), err, said)
}

const mostSaid = 400
