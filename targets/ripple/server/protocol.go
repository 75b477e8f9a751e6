package server

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// The protocols of replication, which are also the versions of a node. A primary and a
// replica speak the older of theirs, so that nodes of neighbouring versions can be in one
// cluster, and one can be replaced after the other. The log and what is kept of the role are
// the same in all of them, so that the way back is open as well.
//
//	1  the greeting REPL
//	2  the greeting REPL2, in which a replica tells its version, and a checksum behind each
//	   message; REPL is still understood, and used with a primary that knows no other
//	3  REPL is gone
const (
	protocolFirst  = 1
	protocolSummed = 2
	protocolNewest = 3
	maxProtocol    = 1000 // that a newer replica may tell
)

// Protocols are the versions, the newest first.
var Protocols = []int{protocolNewest, protocolSummed, protocolFirst}

// greetings are the commands by which replicas greet, and which of the versions serve them.
var greetings = map[string]func(protocol int) bool{
	"REPL":  func(protocol int) bool { return protocol < protocolNewest },
	"REPL2": func(protocol int) bool { return protocol >= protocolSummed },
}

// serves tells whether a node of this version knows a command.
func (s *Server) serves(command string) bool {
	known, ok := greetings[command]
	return !ok || known(s.opts.Protocol)
}

// greeting is the command by which the node greets its primary now, and what stands
// before the node's name in it.
func (s *Server) greeting() []string {
	if s.opts.Protocol == protocolFirst || s.greetsOld.Load() {
		return []string{"REPL"}
	}
	return []string{"REPL2", fmt.Sprint(s.opts.Protocol)}
}

// misunderstood has the node greet by the other of its greetings the next time, if the
// primary does not know this one and there is another.
func (s *Server) misunderstood(answer string) {
	if s.opts.Protocol == protocolSummed && strings.HasPrefix(answer, "-ERR unknown command") {
		s.greetsOld.Store(!s.greetsOld.Load())
	}
}

// spokenWith is the protocol that a primary of one version speaks with a replica of another.
func spokenWith(own, other int) int { return min(own, other) }

// sum appends the checksum of the message that b has from begin on, if the protocol has
// checksums.
func sum(b []byte, begin, protocol int) []byte {
	if protocol < protocolSummed {
		return b
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[begin:], castagnoli))
}

// checkSum reads the checksum of a message, if the protocol has checksums.
func checkSum(r io.Reader, protocol int, head, body []byte) error {
	if protocol < protocolSummed {
		return nil
	}
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	want := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, body)
	if got := binary.LittleEndian.Uint32(b[:]); got != want {
		return fmt.Errorf("%w: its checksum is %08x, not %08x", errMessage, got, want)
	}
	return nil
}
