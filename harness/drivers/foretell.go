package drivers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// foretell writes what lost drivers may have done that nobody recorded into files of their
// own, as possible operations (history.ErrUntold), and notes in meta where that cannot be
// told. own is what the harness recorded.
//
// Of a workload that the seed foretells (workloads.Foretold) the operations of a worker
// follow from those that it recorded, which are the first that it made. Each began after
// the last one that is recorded had ended. How many there were need not be known: one that
// nobody saw has left no trace that anybody could judge, and a value tells whose it is and
// which of its operations, so that all those up to the last that somebody saw are made.
func (f *Fleet) foretell(own string, meta *history.Meta) (paths map[*remote]string, err error) {
	var lost []*remote
	for _, d := range f.all {
		if d.isLost() && !d.whole {
			lost = append(lost, d)
		}
	}
	if len(lost) == 0 {
		return nil, nil
	}
	shown := newSeen(*meta)
	for _, path := range append([]string{own}, f.paths()...) {
		if err := eachOp(path, shown.take); err != nil {
			return nil, err
		}
	}
	paths = map[*remote]string{}
	for _, d := range lost {
		ops, untold, err := f.untoldOf(d, meta, shown)
		if err != nil {
			return nil, err
		}
		meta.Drivers[d.index].Untold = untold
		if len(ops) == 0 {
			continue
		}
		paths[d] = filepath.Join(f.Dir, d.name+".untold"+filepath.Ext(history.FileName))
		if err := history.Save(paths[d], &history.Log{Meta: *meta, Ops: ops}); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// paths are the drivers' histories that are there.
func (f *Fleet) paths() (paths []string) {
	for _, d := range f.all {
		if d.recorded() {
			paths = append(paths, d.path)
		}
	}
	return paths
}

// recorded tells whether the copy of a driver's history can be read: one that was lost at
// once may have none.
func (d *remote) recorded() bool {
	file, err := os.Open(d.path)
	if err != nil {
		return false
	}
	defer file.Close()
	_, err = history.NewReader(file, d.path)
	return err == nil
}

// eachOp passes over the operations of a file, as they were recorded.
func eachOp(path string, take func(*history.Op)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := history.NewReader(file, path)
	for err == nil {
		var ops []history.Op
		ops, err = r.Next()
		for i := range ops {
			take(&ops[i])
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// untoldOf are the possible operations of a driver, and by workload why they are not all.
func (f *Fleet) untoldOf(d *remote, meta *history.Meta, shown seen) (ops []history.Op, untold []string, err error) {
	workers := meta.Drivers[d.index].Workers
	untold = make([]string, len(f.Workloads))
	replays := make([]map[uint16]*replay, len(f.Workloads))
	for i := range f.Workloads {
		if workers[i][0] == workers[i][1] || d.began == 0 {
			continue // it had no part of it, or the load had not begun
		}
		if untold[i] = workloads.Foretold(f.Workloads[i]); untold[i] != "" {
			continue
		}
		if replays[i], err = f.replaysOf(d, i, workers[i]); err != nil {
			return nil, nil, err
		}
	}
	if d.recorded() {
		err = eachOp(d.path, func(op *history.Op) {
			if i := int(op.Workload); i < len(replays) && replays[i][op.Worker] != nil && untold[i] == "" {
				if err := replays[i][op.Worker].take(op); err != nil {
					untold[i] = err.Error()
				}
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	for i := range replays {
		var of []history.Op
		for worker := workers[i][0]; worker < workers[i][1] && untold[i] == "" && replays[i] != nil; worker++ {
			more, err := replays[i][uint16(worker)].untold(shown[i][worker], history.Op{Workload: uint8(i), Worker: uint16(worker)})
			if err != nil {
				untold[i] = err.Error()
			}
			of = append(of, more...)
		}
		if untold[i] == "" {
			ops = append(ops, of...)
		}
	}
	return ops, untold, nil
}

// replaysOf are the replays of some workers of a workload.
func (f *Fleet) replaysOf(d *remote, workload int, workers [2]int) (map[uint16]*replay, error) {
	w, err := workloads.New(f.Workloads[workload].Spec()) // the other has to know what was used for its final reads
	if err != nil {
		return nil, fmt.Errorf("workload %s: %w", f.Workloads[workload].Spec().Name, err)
	}
	first, step := load.Processes(f.Workloads, workload, len(f.Targets))
	all := map[uint16]*replay{}
	for worker := workers[0]; worker < workers[1]; worker++ {
		r := newReplay(w, worker, len(f.Targets), f.Plan.Seed, d.began)
		r.process, r.step = first+uint32(worker), step
		all[uint16(worker)] = r
	}
	return all, nil
}
