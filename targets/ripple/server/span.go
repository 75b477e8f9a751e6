package server

import "strconv"

// maxSpan bounds the keys of one RANGE.
const maxSpan = 1024

// span answers RANGE prefix from count: what the keys prefix+from, prefix+(from+1)
// and so on hold, null for those that are not there. Each key is read for itself.
func (r *request) span(primaryOnly bool) {
	first, err := strconv.ParseUint(string(r.args[2]), 10, 32)
	n, wrong := strconv.ParseUint(string(r.args[3]), 10, 32)
	if err != nil || wrong != nil || n > maxSpan {
		r.w.WriteError("ERR RANGE wants a prefix, the number of the first key and up to 1024 keys")
		return
	}
	refusal, gen, role := r.s.mayRead(primaryOnly)
	if refusal != "" {
		r.w.WriteError(refusal)
		return
	}
	values, there := make([]string, n), make([]bool, n)
	key := append([]byte(nil), r.args[1]...)
	for i := range n {
		previous := role == Replica && r.s.bugs.strikes(bugStaleReplicaRead)
		values[i], there[i], _ = r.s.store.Load().get(strconv.AppendUint(key[:len(r.args[1])], first+i, 10), previous)
	}
	if text := r.s.recheck(gen, role); text != "" {
		r.w.WriteError(text)
		return
	}
	r.w.WriteArray(int(n))
	for i, v := range values {
		if there[i] {
			r.w.WriteBulkString(v)
		} else {
			r.w.WriteNull()
		}
	}
}
