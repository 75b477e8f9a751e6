package redis

import (
	"fmt"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

// read reads a value or a set. A read that goes to the node that the caller
// takes for the primary is answered by a primary only: the role is asked in
// the same transaction. (A command that replicas refuse, such as GETEX, would
// be refused by a primary too that lacks its replicas.)
func (c *Client) read(op *history.Op) {
	command := "GET"
	if op.Kind == history.ReadSet {
		command = "SMEMBERS"
	}
	var reply any
	var err error
	if op.Flags&history.FromPrimary != 0 {
		var primary bool
		if primary, reply, err = c.asPrimary(command); err == nil && !primary {
			kit.Refuse(op, history.ErrNotPrimary)
			return
		}
	} else {
		reply, err = c.call(command, c.key)
	}
	if err != nil {
		c.failed(op, err)
		return
	}
	if op.Kind == history.ReadSet {
		op.Elements, err = c.numbers(op.Elements[:0], reply)
	} else {
		op.Value, err = c.number(reply)
	}
	if err != nil {
		c.dropConn(op, err)
		return
	}
	op.Outcome = history.OK
}

// asPrimary asks for the role and reads, in one transaction.
func (c *Client) asPrimary(command string) (primary bool, reply any, err error) {
	for _, send := range []error{
		c.conn.Send("MULTI"), c.conn.Send("ROLE"), c.conn.Send(command, c.key), c.conn.Send("EXEC"), c.conn.Flush(),
	} {
		if send != nil {
			return false, nil, send
		}
	}
	for range 3 { // the answers to all but EXEC
		_, refused := c.conn.Receive()
		if refused != nil && c.conn.Err() != nil {
			return false, nil, refused
		}
		if err == nil {
			err = refused
		}
	}
	reply, failed := c.conn.Receive()
	if err == nil || c.conn.Err() != nil {
		err = failed // after a refusal EXEC only says that there was one
	}
	if err != nil {
		return false, nil, err
	}
	results, ok := reply.([]any)
	if !ok || len(results) != 2 {
		return false, nil, fmt.Errorf("%w to EXEC", errReply)
	}
	if refused, ok := results[1].(redigo.Error); ok {
		return false, nil, refused
	}
	role, ok := results[0].([]any)
	if !ok || len(role) == 0 {
		return false, nil, fmt.Errorf("%w to ROLE", errReply)
	}
	name, ok := role[0].([]byte)
	return ok && string(name) == "master", results[1], nil
}

// numbers appends the members of a set to list.
func (c *Client) numbers(list []int64, reply any) ([]int64, error) {
	members, ok := reply.([]any)
	if !ok {
		return list, errReply
	}
	for _, m := range members {
		v, err := c.number(m)
		if err != nil || m == nil {
			return list, errReply
		}
		list = append(list, v)
	}
	return list, nil
}
