package redis

import (
	"errors"
	"fmt"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// transfer is the script of a Transfer: 1 if it moved the money, 0 if there is
// too little.
const transfer = `#!lua
local from = tonumber(redis.call('GET', KEYS[1]) or ARGV[2])
if from < tonumber(ARGV[1]) then
  return 0
end
local to = tonumber(redis.call('GET', KEYS[2]) or ARGV[2])
redis.call('SET', KEYS[1], from - ARGV[1])
redis.call('SET', KEYS[2], to + ARGV[1])
return 1
`

// command is one command of a MULTI.
type command struct {
	name string
	args []any
}

// lists does a transaction of appends and reads in a MULTI: RPUSH and LRANGE.
func (c *Client) lists(op *history.Op) {
	micros, ok := history.Micros(op.Elements)
	if !ok {
		kit.Refuse(op, history.ErrServer) // nothing is sent
		return
	}
	commands, writes := make([]command, len(micros)), false
	for i, m := range micros {
		if m.Read {
			commands[i] = command{"LRANGE", []any{c.keyOf(op, m.Key), 0, -1}}
			continue
		}
		commands[i], writes = command{"RPUSH", []any{c.keyOf(op, m.Key), m.Value}}, true
	}
	results, confirmed := c.multi(op, commands, writes)
	if results == nil {
		return
	}
	var answer []int64
	for i, m := range micros {
		if m.Read {
			list, err := c.numbers(nil, results[i])
			if err != nil {
				c.dropConn(op, err)
				return
			}
			m.Known, m.List = true, list
		} else if !isNumber(results[i]) {
			c.dropConn(op, errReply)
			return
		}
		answer = history.AppendMicro(answer, m)
	}
	c.acknowledge(op, confirmed)
	if op.Outcome == history.OK {
		op.Elements = answer
	}
}

// multi runs commands in one MULTI and, if they write, a WAIT behind it. It
// returns no results when it has set the outcome itself. A transaction that
// only reads and goes to the node that the caller takes for the primary is
// refused by a replica.
func (c *Client) multi(op *history.Op, commands []command, writes bool) (results []any, confirmed error) {
	asks := !writes && op.Flags&history.FromPrimary != 0
	if err := c.sendMulti(commands, asks, writes && c.wait > 0); err != nil {
		c.dropConn(op, err)
		return nil, nil
	}
	queued := 1 + len(commands)
	if asks {
		queued++
	}
	var refused redigo.Error
	for range queued { // the answers to all but EXEC
		_, err := c.conn.Receive()
		if err != nil && !errors.As(err, &refused) {
			c.dropConn(op, err)
			return nil, nil
		}
	}
	reply, err := c.conn.Receive()
	if writes && c.wait > 0 && c.conn.Err() == nil {
		var n int
		if n, confirmed = redigo.Int(c.conn.Receive()); confirmed == nil && n < c.wait {
			confirmed = errTooFew
		}
	}
	switch {
	case refused != "": // EXEC discards a transaction of which a command was refused
		if _, why := classify(string(refused)); why != history.ErrNone {
			kit.Refuse(op, why)
		}
		c.broken = c.conn.Err() != nil
		return nil, nil
	case err != nil:
		c.failed(op, err)
		return nil, nil
	}
	results, ok := reply.([]any)
	if !ok || len(results) != queued-1 {
		c.dropConn(op, fmt.Errorf("%w to EXEC", errReply))
		return nil, nil
	}
	if asks {
		role, ok := results[0].([]any)
		if !ok || len(role) == 0 {
			c.dropConn(op, fmt.Errorf("%w to ROLE", errReply))
			return nil, nil
		}
		if name, ok := role[0].([]byte); !ok || string(name) != "master" {
			kit.Refuse(op, history.ErrNotPrimary)
			return nil, nil
		}
		results = results[1:]
	}
	return results, confirmed
}

func (c *Client) sendMulti(commands []command, asks, wait bool) error {
	if err := c.conn.Send("MULTI"); err != nil {
		return err
	}
	if asks {
		if err := c.conn.Send("ROLE"); err != nil {
			return err
		}
	}
	for _, cmd := range commands {
		if err := c.conn.Send(cmd.name, cmd.args...); err != nil {
			return err
		}
	}
	if err := c.conn.Send("EXEC"); err != nil {
		return err
	}
	if wait {
		if err := c.conn.Send("WAIT", c.wait, c.waitTimeout.Milliseconds()); err != nil {
			return err
		}
	}
	return c.conn.Flush()
}

// balances reads all accounts with one MGET.
func (c *Client) balances(op *history.Op) {
	keys := make([]any, op.Key)
	for i := range keys {
		keys[i] = c.keyOf(op, uint32(i))
	}
	results, _ := c.multi(op, []command{{"MGET", keys}}, false)
	if results == nil {
		return
	}
	found, ok := results[0].([]any)
	if !ok || len(found) != len(keys) {
		c.dropConn(op, errReply)
		return
	}
	elements := op.Elements[:0]
	for _, f := range found {
		v, err := c.number(f)
		if err != nil {
			c.dropConn(op, err)
			return
		}
		if v == history.Nil {
			v = history.OpeningBalance
		}
		elements = append(elements, v)
	}
	op.Elements, op.Outcome = elements, history.OK
}

// transfer moves money in one script.
func (c *Client) transfer(op *history.Op) {
	reply, confirmed, err := c.write("EVAL", transfer, 2, c.key, c.keyOf(op, uint32(op.Old)), op.Value, history.OpeningBalance)
	switch {
	case err != nil:
		c.failed(op, err)
	case reply == int64(0):
		kit.Refuse(op, history.ErrCompare)
	case reply != int64(1):
		c.dropConn(op, errReply)
	default:
		c.acknowledge(op, confirmed)
	}
}
