package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Install copies this process's own binary to a path, whole or not at all: it is how an
// init container brings the agent into an image of somebody else's.
func Install(path string) error {
	err := install(path)
	if err != nil {
		return fmt.Errorf("agent: install the binary: %w", err)
	}
	return nil
}

func install(path string) (err error) {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	fresh := path + ".new"
	to, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return os.Rename(fresh, path)
}
