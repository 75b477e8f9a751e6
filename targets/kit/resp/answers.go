package resp

import (
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
)

// Elements reads the values of an array whose head was read into op.Elements.
// Missing ones are history.Nil where there may be such, else no answer.
func (r *Reader) Elements(op *history.Op, head Reply, p *payload.Payload, missing bool) error {
	if head.Kind != '*' {
		return ErrReply
	}
	op.Elements = op.Elements[:0]
	for range head.N {
		e, err := r.Next()
		if err != nil {
			return err
		}
		v, err := e.Value(p)
		if err != nil || e.Null && !missing {
			return ErrReply
		}
		op.Elements = append(op.Elements, v)
	}
	return nil
}

// Observed reads what an answer says whose comparison failed, an array of 0 and the
// current value, which may be missing, into op.Observed.
func (r *Reader) Observed(op *history.Op, head Reply, p *payload.Payload) error {
	if head.N != 2 {
		return ErrReply
	}
	zero, err := r.Next()
	if err != nil {
		return err
	}
	if zero.Kind != ':' || zero.N != 0 {
		return ErrReply
	}
	current, err := r.Next()
	if err != nil {
		return err
	}
	if op.Observed, err = current.Value(p); err != nil {
		return err
	}
	op.Flags |= history.Seen
	return nil
}
