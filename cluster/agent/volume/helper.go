package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/ext4"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/undo"
)

// Helper serves the volume of its environment until its agent ends, or closes the
// socket between the two.
func Helper() error {
	s, err := readSetup()
	if err != nil {
		return err
	}
	file := os.NewFile(controlFD, "agent")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		return fmt.Errorf("volume: the agent's socket: %w", err)
	}
	defer conn.Close()
	// A signal to all of the node's processes, or a terminal's, is not for it.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	syscall.Umask(0) // the kernel has applied that of who asks
	d, err := open(s)
	first := answer{}
	if err != nil {
		first.Error = err.Error()
	}
	if err := json.NewEncoder(conn).Encode(first); err != nil || first.Error != "" {
		return errors.Join(err, errors.New(first.Error))
	}
	defer d.close()
	return d.serve(conn)
}

// open makes the volume and mounts it.
func open(s setup) (*disk, error) {
	store, err := undo.Open(filepath.Join(s.Beside, "data"), filepath.Join(s.Beside, "undo"), undo.Options{Names: s.Volume.Names, NoSync: s.NoSync})
	if err != nil {
		return nil, err
	}
	d := &disk{store: store, at: s.At, open: map[closer]bool{}}
	if s.Volume.Real != "" {
		d.at = filepath.Join(s.Beside, below)
		err = ext4.Format(filepath.Join(store.Root(), image))
	}
	if err == nil {
		err = os.MkdirAll(d.at, 0o755)
	}
	if err == nil {
		err = d.mount()
	}
	if err != nil {
		store.Close()
		return nil, err
	}
	return d, nil
}

func (d *disk) close() {
	_ = d.unmount() // in a namespace that ends nothing is left
	d.store.Close()
}

// serve does what the agent asks until it is gone.
func (d *disk) serve(conn net.Conn) error {
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	for {
		var r request
		if err := in.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
				return nil
			}
			return fmt.Errorf("volume: %w", err)
		}
		a, err := d.do(r)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return fmt.Errorf("volume: %w", err)
		}
	}
}

func (d *disk) do(r request) (a answer, err error) {
	switch r.Ask {
	case askCut:
		a.Stats = d.store.Stats()
		a.Changed = d.store.Shut()
	case askAway:
		err = d.unmount()
	case askBack:
		if a.Lost, err = d.store.Rollback(r.Loss.Survive, r.Seed); err == nil {
			err = d.mount()
		}
	case askSick:
		if r.Sick == nil {
			return a, errors.New("the fault says nothing of what fails")
		}
		d.sick.begin(r.ID, *r.Sick, r.Seed)
		if r.Sick.On == opRead || r.Sick.On == opAny {
			d.forgetCache(r.Sick.Path)
		}
		a.Changed = true
	case askWell:
		a.Failed, a.Delayed, a.Changed = d.sick.heal(r.ID)
	case askFlip:
		if r.Bits == nil {
			return a, errors.New("the fault does not say what is flipped")
		}
		a.Flipped, _, err = flip(d.store.Root(), *r.Bits, r.Seed)
		d.forgetCache(r.Bits.Path)
		a.Changed = a.Flipped > 0
	case askAge:
		d.store.Age()
		a.Changed = true
	case askFigure:
		a.Stats = d.store.Stats()
	default:
		err = fmt.Errorf("unknown request %q", r.Ask)
	}
	return a, err
}
