// Command testnode is the binary of the tests of attaching to containers: an agent
// for the guests, the reaper, and the servers that somebody else runs.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testnode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "agent":
		return agent.Main(ctx, os.Stdin, os.Stderr)
	case len(args) == 2 && args[0] == "serve":
		return serve(ctx, args[1])
	case len(args) == 2 && args[0] == "supervise":
		return supervise(ctx, args[1])
	case len(args) == 2 && args[0] == "say":
		fmt.Println(args[1])
		return nil
	}
	return fmt.Errorf("usage: testnode agent | serve ADDR | supervise ADDR | say WORD, not %q", args)
}

// supervise runs serve as a child of another name, and starts it again when it ends.
func supervise(ctx context.Context, addr string) error {
	for {
		child := exec.CommandContext(ctx, "/aftershock", "serve", addr)
		child.Args[0] = "/bin/database"
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			return err
		}
		err := child.Wait()
		fmt.Println("the database ended:", err)
		time.Sleep(300 * time.Millisecond)
	}
}

// serve greets with the own process id, then sends back what comes in.
func serve(ctx context.Context, addr string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("serving", os.Getpid())
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			fmt.Fprintln(conn, os.Getpid())
			io.Copy(conn, conn) //nolint:errcheck // the peer's end of the connection
		}()
	}
}
