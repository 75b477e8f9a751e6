package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/results/site"
)

// How long a client may take, and how long the last answers may when the server ends.
const (
	serveReads  = 10 * time.Second
	serveIdle   = time.Minute
	serveLinger = 2 * time.Second
)

func serveCommand() *cobra.Command {
	var listen string
	var memory memoryFlag
	c := &cobra.Command{
		Use:   "serve [FOLDER]",
		Short: "Show all runs of a folder in a browser",
		Long: `Serve pages of a folder of runs (runs): an index with verdicts, headlines and
pictures, the trend of every fact over the runs of one plan, any two runs over each
other, and their reports. The pages follow the folder; nothing in it is changed.

The server listens on this machine only, unless --listen says otherwise, and answers
only to IP addresses and localhost. It ends with Ctrl-C or SIGTERM, and exits with 0.`,
		Example: "  aftershock serve\n  aftershock serve nightly/runs --listen 127.0.0.1:9000",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			folder, err := site.Open(folderOf(args), uint64(memory))
			if err != nil {
				return err
			}
			return serve(c.Context(), folder, listen)
		},
	}
	c.ValidArgsFunction = completeRuns
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8420", "address to listen on; port 0 is any that is free")
	memory.register(c)
	return c
}

func siteCommand() *cobra.Command {
	var output string
	var memory memoryFlag
	c := &cobra.Command{
		Use:   "site [FOLDER]",
		Short: "Write the pages that serve shows into a folder, to publish them",
		Long: `Write what serve shows of a folder of runs (runs) as files, whose links are relative:
for GitHub Pages, for any web server, or to be opened as they are. --output is replaced
as a whole, by one rename; a folder that holds something else is left alone.`,
		Example: "  aftershock site runs --output public",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			folder, err := site.Open(folderOf(args), uint64(memory))
			if err != nil {
				return err
			}
			n, err := site.Export(c.Context(), folder, output)
			if err == nil {
				fmt.Fprintf(stdout, "%s in %s\n", units.Plural(n, "run", "runs"), output)
			}
			return err
		},
	}
	c.ValidArgsFunction = completeRuns
	c.Flags().StringVar(&output, "output", "public", "folder to write")
	memory.register(c)
	return c
}

func folderOf(args []string) string {
	if len(args) == 0 {
		return "runs"
	}
	return args[0]
}

// serve serves a folder until the context ends.
func serve(ctx context.Context, folder *site.Folder, listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("%w: --listen %s: %w; write it like 127.0.0.1:8420", failure.ErrInput, listen, err)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("%w: --listen: %w; choose another address, such as 127.0.0.1:0", failure.ErrInput, err)
	}
	server := &http.Server{Handler: site.Handler(folder, host), ReadTimeout: serveReads, IdleTimeout: serveIdle, MaxHeaderBytes: 1 << 16}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "http://%s/\n", listener.Addr())
	if ip := net.ParseIP(host); ip == nil && host != "localhost" || ip != nil && !ip.IsLoopback() {
		fmt.Fprintln(os.Stderr, "others can reach this server, and read every run of the folder")
	}
	select {
	case err := <-ended:
		return failure.Infrastructure("serve "+listen, err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), serveLinger)
	defer cancel()
	if err := server.Shutdown(last); errors.Is(err, context.DeadlineExceeded) {
		return failure.Infrastructure("end the server", server.Close())
	} else if err != nil {
		return failure.Infrastructure("end the server", err)
	}
	return nil
}
