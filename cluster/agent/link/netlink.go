package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/netfilter/nfnetlink_queue.h.
const (
	messagePacket  = 0
	messageVerdict = 1
	messageConfig  = 2

	attrHeader   = 1 // of a packet: its id
	attrVerdict  = 2
	attrPayload  = 10
	attrLength   = 13 // of the packet, where its payload is cut short
	configBind   = 1  // of attribute 1, the command
	configCmd    = 1
	configCopy   = 2
	configMaxLen = 3
	configMask   = 4
	configFlags  = 5
	copyPacket   = 2
	flagFailOpen = 1 // a full queue passes packets on
	flagGSO      = 4 // packets come as large as the kernel has them

	verdictDrop   = 0
	verdictAccept = 1
)

const (
	mostQueued   = 1 << 17 // packets that the kernel keeps for each queue
	receiveSpace = 32 << 20
	mostCopied   = 0xffff
)

var (
	big  = binary.BigEndian
	host = binary.NativeEndian
)

// socket is a raw netlink socket that reads queues. It is used by one thread at a
// time. Verdicts are kept until flush.
type socket struct {
	fd  int
	seq uint32
	out []byte
	buf []byte
}

// queued is a packet as the kernel tells of it; data is valid until the next is read.
type queued struct {
	queue  uint16
	id     uint32
	length int // of the whole packet
	data   []byte
}

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("connect to netfilter: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connect to netfilter: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveSpace) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveSpace) // in a user namespace: as much as everybody may
	}
	// What does not fit passes unharmed; it must not show up as an error of a read.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1)
	return &socket{fd: fd, buf: make([]byte, 1<<17)}, nil
}

// bind makes the socket the reader of a queue, of which it gets the first bytes of
// each packet.
func (s *socket) bind(number uint16, bytes uint32, gso bool) error {
	flags := uint32(flagFailOpen)
	if gso {
		flags |= flagGSO
	}
	steps := [][]byte{
		attribute(nil, configCmd, []byte{configBind, 0, 0, 0}),
		attribute(nil, configCopy, append(big.AppendUint32(nil, bytes), copyPacket)),
		attribute(nil, configMaxLen, big.AppendUint32(nil, mostQueued)),
		attribute(attribute(nil, configFlags, big.AppendUint32(nil, flags)), configMask, big.AppendUint32(nil, flagGSO|flagFailOpen)),
	}
	for _, attributes := range steps {
		if err := s.configure(number, attributes); err != nil {
			return fmt.Errorf("read packets from queue %d: %w", number, explain(err))
		}
	}
	return nil
}

// explain names the remedy.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: give the node CAP_NET_ADMIN", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: load the kernel module nfnetlink_queue on the machine", err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: another program reads this queue in the node's network: end it", err)
	}
	return err
}

// configure asks for something and waits for the answer. What else arrives is a
// packet of another queue that is read already; it is told later by nobody, so that
// it has to be let go.
func (s *socket) configure(number uint16, attributes []byte) error {
	s.seq++
	m := message(nil, messageConfig, unix.NLM_F_REQUEST|unix.NLM_F_ACK, s.seq, number, attributes)
	if err := unix.Sendto(s.fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		n, _, err := unix.Recvfrom(s.fd, s.buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n < unix.NLMSG_HDRLEN+4 || host.Uint16(s.buf[4:]) != unix.NLMSG_ERROR || host.Uint32(s.buf[8:]) != s.seq:
			s.each(s.buf[:n], func(p queued) { s.verdict(p.queue, p.id, verdictAccept, nil) })
			s.flush()
			continue
		}
		if code := int32(host.Uint32(s.buf[unix.NLMSG_HDRLEN:])); code != 0 {
			return unix.Errno(-code)
		}
		return nil
	}
}

// read hands what has arrived to f, one datagram of the kernel's, without waiting;
// false: there was none.
func (s *socket) read(f func(queued)) bool {
	n, _, err := unix.Recvfrom(s.fd, s.buf, unix.MSG_DONTWAIT)
	if err != nil {
		return errors.Is(err, unix.EINTR)
	}
	s.each(s.buf[:n], f)
	return true
}

// each hands the packets of one datagram to f.
func (s *socket) each(b []byte, f func(queued)) {
	for len(b) >= unix.NLMSG_HDRLEN {
		length := int(host.Uint32(b))
		if length < unix.NLMSG_HDRLEN || length > len(b) {
			return
		}
		if host.Uint16(b[4:]) == unix.NFNL_SUBSYS_QUEUE<<8|messagePacket && length >= 20 {
			f(parseQueued(b[:length]))
		}
		b = b[min(len(b), align(length)):]
	}
}

// parseQueued reads a message of a packet, whose header is there.
func parseQueued(b []byte) (p queued) {
	p.queue = big.Uint16(b[18:])
	whole := 0
	for a := b[20:]; len(a) >= 4; {
		length := int(host.Uint16(a))
		if length < 4 || length > len(a) {
			break
		}
		value := a[4:length]
		switch host.Uint16(a[2:]) & 0x3fff {
		case attrHeader:
			if len(value) >= 4 {
				p.id = big.Uint32(value)
			}
		case attrPayload:
			p.data = value
		case attrLength:
			if len(value) >= 4 {
				whole = int(big.Uint32(value))
			}
		}
		a = a[min(len(a), align(length)):]
	}
	p.length = max(whole, len(p.data))
	return p
}

// verdict says what becomes of a packet; with a payload, another one of that.
func (s *socket) verdict(number uint16, id uint32, verdict uint32, payload []byte) {
	var head [12]byte
	host.PutUint16(head[0:], 12)
	host.PutUint16(head[2:], attrVerdict)
	big.PutUint32(head[4:], verdict)
	big.PutUint32(head[8:], id)
	start := len(s.out)
	s.out = message(s.out, messageVerdict, unix.NLM_F_REQUEST, 0, number, head[:])
	if payload != nil {
		s.out = attribute(s.out, attrPayload, payload)
		host.PutUint32(s.out[start:], uint32(len(s.out)-start))
	}
	if len(s.out) > 32<<10 {
		s.flush()
	}
}

// flush hands the verdicts to the kernel, which delivers the packets before it
// returns. What is wrong with one is not told: the packet is gone then, as with its
// connection.
func (s *socket) flush() {
	if len(s.out) == 0 {
		return
	}
	to := unix.RawSockaddrNetlink{Family: unix.AF_NETLINK}
	_, _, _ = unix.Syscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[0])), uintptr(len(s.out)), 0,
		uintptr(unsafe.Pointer(&to)), unix.SizeofSockaddrNetlink)
	s.out = s.out[:0]
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// message appends a message to a queue, with attributes that fill whole words.
func message(b []byte, kind, flags uint16, seq uint32, queue uint16, attributes []byte) []byte {
	b = host.AppendUint32(b, uint32(20+len(attributes)))
	b = host.AppendUint16(b, unix.NFNL_SUBSYS_QUEUE<<8|kind)
	b = host.AppendUint16(b, flags)
	b = host.AppendUint32(b, seq)
	b = host.AppendUint32(b, 0)
	b = append(b, unix.AF_UNSPEC, 0)
	b = big.AppendUint16(b, queue)
	return append(b, attributes...)
}

func attribute(b []byte, kind uint16, value []byte) []byte {
	b = host.AppendUint16(b, uint16(4+len(value)))
	b = host.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func align(n int) int { return (n + 3) &^ 3 }
