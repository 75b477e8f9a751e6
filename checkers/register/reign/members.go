package reign

import "github.com/aftershock-chaos/aftershock/history"

// member takes that a node came to the cluster or went. While its server runs, one
// that went may acknowledge something yet.
func (d *reader) member(i int, e *history.Event) {
	n := &d.nodes[i]
	n.left = e.Name == history.MemberLeft
	if n.left && n.down > 0 {
		d.leave(i, e.At)
	}
}

// leave takes that a node that does not belong to the cluster any more acknowledges
// nothing: its server has ended.
func (d *reader) leave(i int, at int64) {
	d.end(i, at, at)
	d.nodes[i].role = ""
}
