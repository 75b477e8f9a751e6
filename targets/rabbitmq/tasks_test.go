package rabbitmq

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// tooled is a node on which RabbitMQ's programs are run.
type tooled struct {
	cluster.Control
	ran  []string
	fail string // the program's word that it fails at
}

func (n *tooled) Run(_ context.Context, spec cluster.ServerSpec) ([]byte, error) {
	command := strings.Join(spec.Command[4:], " ") // after sh -c SCRIPT sh
	n.ran = append(n.ran, command)
	if n.fail != "" && strings.Contains(command, n.fail) {
		return []byte("Error: unable to connect"), errors.New("exit code 69")
	}
	return nil, nil
}

// TestTasks: each task that is told can be done, by one command after the other; what fails
// ends it, with the program's words.
func TestTasks(t *testing.T) {
	n := &tooled{}
	node := &cluster.Node{Name: "n1", Control: n}
	for _, task := range tasksTold() {
		n.ran = nil
		if _, err := new(System).Do(t.Context(), nil, node, task.Name); err != nil || len(n.ran) == 0 {
			t.Errorf("%s: %v, %v", task.Name, err, n.ran)
		}
		if want := []string{"rabbitmq-upgrade drain", "rabbitmq-upgrade revive"}; task.Name == "maintenance" && !slices.Equal(n.ran, want) {
			t.Errorf("maintenance is %v", n.ran)
		}
	}
	n.ran, n.fail = nil, "drain"
	if _, err := new(System).Do(t.Context(), nil, node, "maintenance"); err == nil || !strings.Contains(err.Error(), "rabbitmq-upgrade drain on n1: exit code 69: Error: unable") || len(n.ran) != 1 {
		t.Errorf("%v, %v", err, n.ran)
	}
	if _, err := new(System).Do(t.Context(), nil, node, "fly"); err == nil {
		t.Error("it did a task that there is not")
	}
}

// TestPreferred: a program is taken from beside the server's own script, wherever that is,
// and from the PATH where it is not there.
func TestPreferred(t *testing.T) {
	dir := t.TempDir()
	for _, program := range []string{"bin/tool", "bin/other", "server-3.10/sbin/tool"} {
		file := filepath.Join(dir, program)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("#!/bin/sh\necho "+program+" \"$1\"\n"), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	script := preferred([]string{filepath.Join(dir, "server-*/sbin/server"), filepath.Join(dir, "none/sbin/server")})
	for program, want := range map[string]string{"tool": "server-3.10/sbin/tool a b\n", "other": "bin/other a b\n"} {
		if said, err := exec.Command("sh", "-c", script, "sh", program, "a b").CombinedOutput(); err != nil || string(said) != want {
			t.Errorf("%s: %q, %v", program, said, err)
		}
	}
}
