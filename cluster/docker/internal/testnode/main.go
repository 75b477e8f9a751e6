// Command testnode is the binary of the docker host's tests: an agent, and a
// server for it to supervise.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

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
	case len(args) == 2 && args[0] == "echo":
		return echo(ctx, args[1])
	case len(args) == 1 && args[0] == "hog":
		return hog()
	}
	return fmt.Errorf("usage: testnode agent | testnode echo ADDR | testnode hog, not %q", args)
}

// hog takes up to 1 GiB of memory.
func hog() error {
	const chunk = 1 << 20
	var taken [][]byte
	for len(taken) < 1<<30/chunk {
		b := make([]byte, chunk)
		for i := 0; i < chunk; i += 4096 {
			b[i] = 1
		}
		taken = append(taken, b)
	}
	return fmt.Errorf("%d MiB were there", len(taken))
}

// echo greets with the own user id and host name, then sends back what comes in.

func echo(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			host, _ := os.Hostname()
			fmt.Fprintf(conn, "%d %s %s\n", os.Getuid(), host, os.Getenv("TESTNODE"))
			io.Copy(conn, conn) //nolint:errcheck // the peer's end of the connection
		}()
	}
}
