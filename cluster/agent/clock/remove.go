package clock

import "errors"

// removeTries is how often is looked for hooks that were passed on meanwhile.
const removeTries = 3

// remove takes the hook out of all processes, which have the true time by now. The caller
// holds mu.
func (c *Clocks) remove() error {
	var err error
	for range removeTries { // a process that forks meanwhile passes the hook on
		var left bool
		if left, err = c.removeOnce(); err == nil && !left {
			clear(c.known)
			c.prepared = false
			return nil
		}
	}
	return err
}

// removeOnce tells whether there was any hook left.
func (c *Clocks) removeOnce() (left bool, err error) {
	pids, err := c.processes.Each()
	if err != nil {
		return false, err
	}
	var errs []error
	for _, pid := range pids {
		found, err := c.removeFrom(pid)
		left = left || found
		if err != nil && !gone(err) && exists(pid) {
			errs = append(errs, explain(pid, err))
		}
	}
	return left, errors.Join(errs...)
}

func (c *Clocks) removeFrom(pid int) (found bool, err error) {
	t, err := openTarget(pid, 0)
	if err != nil {
		return false, err
	}
	defer t.close()
	head, hooked, err := t.head(c.hook)
	if err != nil || !hooked {
		return false, err
	}
	if current(head) != (params{}) {
		if err := t.set(c.hook, head, params{}); err != nil {
			return true, err
		}
	}
	return true, t.remove(c.hook, c.processes)
}
