// Package nodetest is what the tests of the agent and of what it is made of
// share: nodes of the local host, with a server that answers questions.
package nodetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/local"
)

// Main is TestMain: it lets the test binary be the agent and the servers of its
// nodes, and runs the tests inside a sandbox where the machine can make one.
func Main(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "agent":
			os.Exit(exitCode(agentMain()))
		case "testserver":
			os.Exit(exitCode(testServer()))
		}
	}
	switch {
	case local.InSandbox():
		if err := local.EnterSandbox(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case local.Available(context.Background()) == nil:
		os.Exit(exitCode(inSandbox()))
	}
	goleak.VerifyTestMain(m)
}

// inSandbox runs this test binary in a sandbox.
func inSandbox() error {
	cmd, err := local.Command(context.Background(), "", os.Args[1:])
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // agents under the race detector end at once
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	wait, err := local.Start(cmd)
	if err != nil {
		return err
	}
	return wait()
}

func agentMain() error {
	return agent.Main(context.Background(), os.Stdin, os.Stderr)
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
