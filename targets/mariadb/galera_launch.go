package mariadb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// library is Galera itself, which the server loads.
var library = targets.Server{Program: "libgalera_smm.so", Library: true, Install: "apt-get install galera-4",
	Search: []string{"/usr/lib/galera-4/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/libgalera_smm.so", "/usr/lib/galera/libgalera_smm.so"}}

// copier is what a node that missed too much copies another's data with.
var copier = targets.Server{Program: "rsync", Install: "apt-get install rsync"}

// clusterID is the state from which every cluster begins.
const clusterID = "6d617269-6164-6220-6166-746572736863"

// Files of Galera in the server's data directory.
const (
	stateFile = "grastate.dat" // the position of the data
	viewFile  = "gvwstate.dat" // the last primary component
)

// Launch makes the data directory if there is none, and runs the server.
// args are the node's data directory, its index and the number of nodes that found
// the cluster; 0: it joins one that is there.
func (Galera) Launch(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("serve galera: %w, its index and the number of nodes", errUsage)
	}
	index, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("serve galera: the node's index: %w", err)
	}
	nodes, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("serve galera: the number of nodes: %w", err)
	}
	server, err := kit.Find(program)
	if err != nil {
		return err
	}
	library, err := kit.Find(library)
	if err != nil {
		return err
	}
	return supervise(ctx, func() ([]string, error) {
		argv, err := prepare(ctx, server, library, args[0], index, nodes)
		return append([]string{server}, argv...), err
	})
}

// prepare makes the data directory if there is none, or finds out where in the
// cluster's history it is, and returns the server's arguments.
func prepare(ctx context.Context, server, library, data string, index, nodes int) ([]string, error) {
	var state func(dir string) error
	if nodes > 0 {
		state = func(dir string) error { return found(dir, index, nodes) }
	}
	fresh, err := install(ctx, server, data, state)
	if err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	argv := []string{"--defaults-file=" + filepath.Join(data, configFile), "--wsrep-provider=" + library}
	if fresh {
		return argv, nil
	}
	position, err := recoverPosition(ctx, server, data, argv)
	if err != nil {
		return nil, fmt.Errorf("find the position of the data: %w", err)
	}
	return append(argv, "--wsrep-start-position="+position), nil
}

// found makes a new data directory one of a cluster that was up and lost its
// power: every node has the same data, says so, and knows that all were members
// of the last primary component. The nodes then find each other and go on
// (pc.recovery), at once and as equals; none has to come first and copy its data
// to the others, one after the other, which takes ten times as long.
func found(dir string, index, nodes int) error {
	state := "# GALERA saved state\nversion: 2.1\nuuid:    " + clusterID + "\nseqno:   0\nsafe_to_bootstrap: 0\n"
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(state), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, viewFile), []byte(firstView(index, nodes)), 0o600)
}

// firstView is the contents of viewFile: the primary component of all nodes.
func firstView(index, nodes int) string {
	member := func(i int) string { return fmt.Sprintf("a%07x-0000-11f0-8000-000000000001", i+1) }
	var b strings.Builder
	fmt.Fprintf(&b, "my_uuid: %s\n#vwbeg\nview_id: 3 %s 1\nbootstrap: 0\n", member(index), member(0))
	for i := range nodes {
		fmt.Fprintf(&b, "member: %s 0\n", member(i))
	}
	b.WriteString("#vwend\n")
	return b.String()
}

// recoverTimeout bounds the recovery of InnoDB for its position.
const recoverTimeout = time.Minute

// unknownPosition makes a node ask for a whole copy.
const unknownPosition = "00000000-0000-0000-0000-000000000000:-1"

// recoverPosition is what galera_recovery does: the position that a graceful
// stop wrote down or, after a crash, the one that InnoDB recovers. Without it
// a node that crashed would copy all data. argv are the server's arguments.
func recoverPosition(ctx context.Context, server, data string, argv []string) (string, error) {
	state, err := os.ReadFile(filepath.Join(data, dataDir, stateFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if position, ok := savedPosition(state); ok {
		return position, nil
	}
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, server, append(slices.Clone(argv), "--wsrep-recover")...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	err = cmd.Run()
	if position, ok := recovered(log.Bytes()); ok {
		return position, nil
	}
	if err != nil {
		return "", fmt.Errorf("run %s --wsrep-recover: %w\n%s", filepath.Base(server), err, log.Bytes())
	}
	return unknownPosition, nil
}

var (
	savedUUID  = regexp.MustCompile(`(?m)^uuid:\s*([0-9a-fA-F-]{36})\s*$`)
	savedSeqno = regexp.MustCompile(`(?m)^seqno:\s*(\d+)\s*$`) // -1 while the server runs
	recovery   = regexp.MustCompile(`WSREP: Recovered position:?\s*([0-9a-fA-F-]{36}:-?\d+)`)
)

// savedPosition is the position in a state file, unless the server crashed.
func savedPosition(state []byte) (string, bool) {
	uuid, seqno := savedUUID.FindSubmatch(state), savedSeqno.FindSubmatch(state)
	if uuid == nil || seqno == nil {
		return "", false
	}
	return string(uuid[1]) + ":" + string(seqno[1]), true
}

// recovered is the position in the output of --wsrep-recover.
func recovered(log []byte) (string, bool) {
	m := recovery.FindSubmatch(log)
	if m == nil {
		return "", false
	}
	return string(m[1]), true
}
