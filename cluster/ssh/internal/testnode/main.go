// Command testnode is the binary of the tests of attaching by ssh: the guests, and the
// servers that somebody else runs.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/ssh"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testnode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "agent" && args[1] == "--guest":
		return agent.MainOnHost(ctx, os.Stdin, os.Stdout, os.Stderr)
	case len(args) == 2 && args[0] == "echo" && args[1] == "--"+ssh.SessionFlag:
		return ssh.Serve(ctx, os.Stdin, os.Stdout, echo)
	case len(args) == 2 && args[0] == "serve":
		return serve(ctx, args[1])
	case len(args) == 3 && args[0] == "supervise":
		return supervise(ctx, args[1], args[2])
	}
	return fmt.Errorf("usage: testnode agent --guest | serve ADDR | supervise ADDR DOWN, not %q", args)
}

// supervise keeps a server running, but while the file down is there.
func supervise(ctx context.Context, addr, down string) error {
	for {
		if _, err := os.Stat(down); err == nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		child := exec.CommandContext(ctx, "/proc/self/exe", "serve", addr)
		child.Args[0] = "/srv/database"
		_ = child.Run() // however it ends it is started again
		time.Sleep(300 * time.Millisecond)
	}
}

// echo adds what comes in to a file of its folder, and answers with all that is in there.
func echo(ctx context.Context, l net.Listener) error {
	context.AfterFunc(ctx, func() { _ = l.Close() })
	fmt.Fprintln(os.Stderr, "the echo is here")
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer conn.Close()
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				file, err := os.OpenFile("spool", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				if err != nil {
					return
				}
				fmt.Fprint(file, lines.Text())
				_ = file.Close()
				all, _ := os.ReadFile("spool")
				fmt.Fprintf(conn, "%s\n", all)
			}
		}()
	}
}

// serve greets with the own process id, then sends back what comes in.
func serve(ctx context.Context, addr string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
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
			fmt.Fprintln(conn, os.Getpid())
			io.Copy(conn, conn) //nolint:errcheck // the peer's end of the connection
		}()
	}
}
