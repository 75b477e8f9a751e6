package history

// Micro is one operation of a transaction on lists: it appends Value to the
// list Key, or reads the list.
type Micro struct {
	Key   uint32
	Read  bool
	Value int64   // appended
	Known bool    // read: the result is known
	List  []int64 // read: the result, in order
}

// AppendMicro adds a micro-operation to an encoded transaction, which is how
// Op.Elements holds it. Each is a word of its key and kind, and then
// the value appended, or the length of the list that was read, -1 if unknown,
// and the list.
func AppendMicro(e []int64, m Micro) []int64 {
	if !m.Read {
		return append(e, int64(m.Key)<<1, m.Value)
	}
	if !m.Known {
		return append(e, int64(m.Key)<<1|1, -1)
	}
	return append(append(e, int64(m.Key)<<1|1, int64(len(m.List))), m.List...)
}

// NextMicro takes the first micro-operation from an encoded transaction; ok is
// false at its end, and where it is malformed. The list is part of e.
func NextMicro(e []int64) (m Micro, rest []int64, ok bool) {
	if len(e) < 2 || e[0] < 0 || e[0]>>1 > 1<<32-1 {
		return Micro{}, nil, false
	}
	m.Key, m.Read = uint32(e[0]>>1), e[0]&1 == 1
	n := e[1]
	e = e[2:]
	switch {
	case !m.Read:
		m.Value = n
		return m, e, true
	case n == -1:
		return m, e, true
	case n < 0 || n > int64(len(e)):
		return Micro{}, nil, false
	}
	m.Known, m.List = true, e[:n:n]
	return m, e[n:], true
}

// Micros decodes a transaction; ok is false if it is malformed.
func Micros(e []int64) (all []Micro, ok bool) {
	for len(e) > 0 {
		var m Micro
		if m, e, ok = NextMicro(e); !ok {
			return all, false
		}
		all = append(all, m)
	}
	return all, true
}
