package server

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"
)

// request is one connection's state while it is served.
type request struct {
	s     *Server
	conn  net.Conn
	w     *redcon.Writer
	args  [][]byte // with the command's name
	hello *hello   // set by REPL: the connection becomes a replica's stream
	quit  bool
}

// command is one entry of the table.
type command struct {
	min, max int // arguments, with the name; max 0 is any number
	serve    func(*request)
	load     bool // it is a client's work on data, which the throttle slows down
}

// maxName bounds a command's name.
const maxName = 16

// commands is the table of all commands, by their upper-case name. PGET,
// PSMEMBERS and PRANGE are GET, SMEMBERS and RANGE that only a primary answers.
var commands = map[string]command{
	"GET":       {2, 2, func(r *request) { r.get(false) }, true},
	"PGET":      {2, 2, func(r *request) { r.get(true) }, true},
	"SMEMBERS":  {2, 2, func(r *request) { r.smembers(false) }, true},
	"PSMEMBERS": {2, 2, func(r *request) { r.smembers(true) }, true},
	"RANGE":     {4, 4, func(r *request) { r.span(false) }, true},
	"PRANGE":    {4, 4, func(r *request) { r.span(true) }, true},
	"SET":       {3, 3, func(r *request) { r.result(r.s.submit(opSet, r.args[1], r.args[2])) }, true},
	"CAS":       {4, 4, func(r *request) { r.result(r.s.submit(opCAS, r.args[1], r.args[2], r.args[3])) }, true},
	"INCR":      {2, 2, func(r *request) { r.result(r.s.submit(opIncr, r.args[1])) }, true},
	"SADD":      {3, 0, func(r *request) { r.result(r.s.submit(opAdd, r.args[1], r.args[2:]...)) }, true},
	"RPUSH":     {3, 0, func(r *request) { r.result(r.s.submit(opPush, r.args[1], r.args[2:]...)) }, true},
	"LPOP":      {2, 2, func(r *request) { r.result(r.s.submit(opPop, r.args[1])) }, true},
	"DEL":       {2, 0, (*request).del, true},
	"PING":      {1, 2, (*request).ping, false},
	"ECHO":      {2, 2, func(r *request) { r.w.WriteBulk(r.args[1]) }, false},
	"QUIT":      {1, 1, func(r *request) { r.quit = true; r.w.WriteString("OK") }, false},
	"SELECT":    {2, 2, func(r *request) { r.w.WriteString("OK") }, false},
	"CLIENT":    {2, 0, func(r *request) { r.w.WriteString("OK") }, false},
	"COMMAND":   {1, 0, func(r *request) { r.w.WriteArray(0) }, false}, // redis-cli asks; nothing is told
	"CONFIG":    {2, 0, (*request).config, false},
	"DBSIZE":    {1, 1, func(r *request) { r.w.WriteInt(r.s.store.Load().size()) }, false},
	"ROLE":      {1, 1, (*request).role, false},
	"INFO":      {1, 0, (*request).info, false},
	"STATUS":    {1, 1, (*request).status, false},
	"PROMOTE":   {2, 0, (*request).promote, false},
	"FORGET":    {2, 2, (*request).forget, false},
	"FOLLOW":    {3, 3, (*request).follow, false},
	"EPOCH":     {3, 3, (*request).epoch, false},
	"REPL":      {4, 0, (*request).repl, false},
	"REPL2":     {5, 0, (*request).repl2, false},
}

// serve answers one command.
func (r *request) serve(args [][]byte) {
	var name [maxName]byte
	n := copy(name[:], args[0])
	for i, c := range name[:n] {
		if c >= 'a' && c <= 'z' {
			name[i] = c - 'a' + 'A'
		}
	}
	c, ok := commands[string(name[:n])]
	switch {
	case !ok || len(args[0]) > maxName || !r.s.serves(string(name[:n])):
		r.w.WriteError(fmt.Sprintf("ERR unknown command '%.64s'", args[0]))
	case len(args) < c.min || c.max > 0 && len(args) > c.max:
		r.w.WriteError(fmt.Sprintf("ERR wrong number of arguments for '%s'", name[:n]))
	default:
		r.args = args
		r.throttled(c)
		r.args = nil
	}
}

// throttled serves a command as slowly as the node is told to be.
func (r *request) throttled(c command) {
	if !c.load || r.s.slow.idle() {
		c.serve(r)
		return
	}
	r.s.slow.begin(r.s.now)
	began := r.s.now()
	c.serve(r)
	r.s.slow.end(r.s.now, began)
}

// now is nanoseconds since the node began.
func (s *Server) now() int64 { return int64(time.Since(s.start)) }

// result writes the answer to a write.
func (r *request) result(res result) {
	switch res.kind {
	case resultOK:
		r.w.WriteString("OK")
	case resultInt:
		r.w.WriteInt64(res.n)
	case resultCompare:
		r.w.WriteArray(2)
		r.w.WriteInt(0)
		if res.none {
			r.w.WriteNull()
		} else {
			r.w.WriteBulkString(res.text)
		}
	case resultItem:
		if res.none {
			r.w.WriteNull()
		} else {
			r.w.WriteBulkString(res.text)
		}
	case resultError:
		r.w.WriteError(res.text)
	case resultDropped:
		r.w.WriteError("STEPPEDDOWN the node lost its role while the write waited: its outcome is unknown")
	}
}

// get reads a key. A primary checks before and after that it may serve: before,
// since its state must be that of a primary, and after, since its lease must
// not have run out when the value was read.
func (r *request) get(primaryOnly bool) {
	refusal, gen, role := r.s.mayRead(primaryOnly)
	if refusal != "" {
		r.w.WriteError(refusal)
		return
	}
	previous := role == Replica && r.s.bugs.strikes(bugStaleReplicaRead)
	value, ok, wrong := r.s.store.Load().get(r.args[1], previous)
	if text := r.s.recheck(gen, role); text != "" {
		r.w.WriteError(text)
		return
	}
	switch {
	case wrong:
		r.w.WriteError(errWrongType)
	case !ok:
		r.w.WriteNull()
	default:
		r.w.WriteBulkString(value)
	}
}

// recheck says why what a read has found must not be answered.
func (s *Server) recheck(gen uint64, role Role) string {
	if role != Primary {
		return ""
	}
	refusal, now, _ := s.mayRead(true)
	if refusal == "" && now != gen {
		return "NOTPRIMARY the node changed its role during the read"
	}
	return refusal
}

func (r *request) smembers(primaryOnly bool) {
	refusal, gen, role := r.s.mayRead(primaryOnly)
	if refusal != "" {
		r.w.WriteError(refusal)
		return
	}
	members, wrong := r.s.store.Load().smembers(r.args[1])
	if text := r.s.recheck(gen, role); text != "" {
		r.w.WriteError(text)
		return
	}
	if wrong {
		r.w.WriteError(errWrongType)
		return
	}
	if n := len(members); n > 0 && r.s.bugs.strikes(bugDuplicateElement) {
		members = append(members, members[n-1]) // its capacity is its length: this copies
	}
	r.w.WriteArray(len(members))
	for _, m := range members {
		r.w.WriteBulkString(m)
	}
}

// del deletes keys, one record each.
func (r *request) del() {
	total := int64(0)
	for _, key := range r.args[1:] {
		res := r.s.submit(opDel, key)
		if res.kind != resultInt {
			if total > 0 && res.kind == resultError {
				res = result{kind: resultError, text: "ERR not all keys were deleted: " + res.text}
			}
			r.result(res)
			return
		}
		total += res.n
	}
	r.w.WriteInt64(total)
}

func (r *request) ping() {
	if len(r.args) == 2 {
		r.w.WriteBulk(r.args[1])
		return
	}
	r.w.WriteString("PONG")
}

// config answers CONFIG GET name with an empty value, as redis-benchmark wants.
func (r *request) config() {
	if len(r.args) != 3 || !strings.EqualFold(string(r.args[1]), "GET") {
		r.w.WriteError("ERR only CONFIG GET name is known: a node is configured by flags")
		return
	}
	r.w.WriteArray(2)
	r.w.WriteBulk(r.args[2])
	r.w.WriteBulkString("")
}

// role answers in the shape of Redis.
func (r *request) role() {
	st := r.s.Status()
	if st.Role == Primary {
		r.w.WriteArray(3)
		r.w.WriteBulkString("master")
		r.w.WriteUint64(st.Position)
		r.w.WriteArray(len(st.Connected))
		for _, name := range st.Connected {
			r.w.WriteBulkString(name)
		}
		return
	}
	host, port, _ := net.SplitHostPort(st.Primary)
	state := "connect"
	if st.Healthy {
		state = "connected"
	}
	n, _ := strconv.Atoi(port)
	r.w.WriteArray(5)
	r.w.WriteBulkString("slave")
	r.w.WriteBulkString(host)
	r.w.WriteInt(n)
	r.w.WriteBulkString(state)
	r.w.WriteUint64(st.Position)
}

// fields of a status, in a fixed order.
func (st *Status) fields() []string {
	return []string{
		"role", string(st.Role),
		"epoch", strconv.FormatUint(st.Epoch, 10),
		"log_epoch", strconv.FormatUint(st.LogEpoch, 10),
		"position", strconv.FormatUint(st.Position, 10),
		"committed", strconv.FormatUint(st.Committed, 10),
		"applied", strconv.FormatUint(st.Applied, 10),
		"eligible", strconv.FormatBool(st.Eligible),
		"healthy", strconv.FormatBool(st.Healthy),
		"primary", st.Primary,
		"connected", strings.Join(st.Connected, ","),
		"insync", strings.Join(st.InSync, ","),
		"members", strings.Join(st.Members, ","),
		"version", strconv.Itoa(st.Version),
		"syncs", strconv.FormatInt(st.Syncs, 10),
	}
}

// status answers with names and values in turn.
func (r *request) status() {
	st := r.s.Status()
	fields := st.fields()
	r.w.WriteArray(len(fields))
	for _, f := range fields {
		r.w.WriteBulkString(f)
	}
}

func (r *request) info() {
	st := r.s.Status()
	fields := st.fields()
	var b strings.Builder
	b.WriteString("# Server\r\nserver:ripple\r\nname:" + r.s.opts.Name + "\r\n# Replication\r\n")
	for i := 0; i < len(fields); i += 2 {
		b.WriteString(fields[i] + ":" + fields[i+1] + "\r\n")
	}
	r.w.WriteBulkString(b.String())
}

// admin writes the answer to an operator's command.
func (r *request) admin(err error) {
	switch {
	case err == nil:
		r.w.WriteString("OK")
	case strings.HasPrefix(err.Error(), "STALE"):
		r.w.WriteError(err.Error())
	default:
		r.w.WriteError("ERR " + err.Error())
	}
}

// promote is PROMOTE epoch member….
func (r *request) promote() {
	epoch, err := number(r.args[1])
	if err == nil {
		members := make([]string, 0, len(r.args))
		for _, m := range r.args[2:] {
			members = append(members, string(m))
		}
		err = r.s.promote(epoch, members)
	}
	r.admin(err)
}

// follow is FOLLOW host:port epoch.
func (r *request) follow() {
	epoch, err := number(r.args[2])
	if err == nil {
		_, _, err = net.SplitHostPort(string(r.args[1]))
	}
	if err == nil {
		err = r.s.follow(string(r.args[1]), epoch)
	}
	r.admin(err)
}

// forget is FORGET name.
func (r *request) forget() { r.admin(r.s.forget(string(r.args[1]))) }

// epoch is EPOCH epoch name, another primary's announcement.
func (r *request) epoch() {
	epoch, err := number(r.args[1])
	if err != nil {
		r.admin(err)
		return
	}
	r.w.WriteString(r.s.answerEpoch(epoch, string(r.args[2])))
}

// repl is REPL name epoch last (epoch first)….
func (r *request) repl() { r.greeted(protocolFirst, r.args[1:]) }

// repl2 is REPL2 version name epoch last (epoch first)….
func (r *request) repl2() {
	version, err := number(r.args[1])
	if err != nil || version < protocolSummed || version > maxProtocol {
		r.admin(fmt.Errorf("%.32q is no version", r.args[1]))
		return
	}
	r.greeted(int(version), r.args[2:])
}

// greeted takes a replica's greeting from its name on.
func (r *request) greeted(version int, args [][]byte) {
	h := hello{name: string(args[0]), protocol: spokenWith(r.s.opts.Protocol, version)}
	numbers := make([]uint64, 0, len(args))
	for _, a := range args[1:] {
		n, err := number(a)
		if err != nil {
			r.admin(err)
			return
		}
		numbers = append(numbers, n)
	}
	if len(numbers)%2 != 0 {
		r.admin(errors.New("want REPL name epoch last (epoch first)…"))
		return
	}
	h.epoch, h.last = numbers[0], numbers[1]
	for i := 2; i < len(numbers); i += 2 {
		e := epochStart{numbers[i], numbers[i+1]}
		if n := len(h.epochs); e.first == 0 || e.first > h.last ||
			n > 0 && (h.epochs[n-1].epoch >= e.epoch || h.epochs[n-1].first >= e.first) {
			r.admin(errors.New("the epoch history is not in order"))
			return
		}
		h.epochs = append(h.epochs, e)
	}
	r.hello = &h
}

func number(b []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.32q is not a number", b)
	}
	return n, nil
}
