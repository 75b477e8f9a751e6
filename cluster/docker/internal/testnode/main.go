// Command testnode is the binary of the docker host's tests: an agent, and a
// server for it to supervise.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

func main() {
	root := &cobra.Command{Use: "testnode", SilenceUsage: true}
	root.AddCommand(agent.NewCommand(), &cobra.Command{
		Use:   "echo ADDR",
		Short: "greet with the own user id and host name, then send back what comes in",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return echo(cmd.Context(), args[0]) },
	})
	if err := root.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "testnode:", err)
		os.Exit(1)
	}
}

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
