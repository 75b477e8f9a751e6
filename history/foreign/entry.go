package foreign

// entryKind is the type of an entry of a history.
type entryKind uint8

const (
	invoke entryKind = iota
	succeed
	fail
	info
)

var kindWords = [...]string{"invoke", "ok", "fail", "info"}

func (k entryKind) String() string { return kindWords[k] }

// kindOf reads :invoke, "ok" and so on, without the colon.
func kindOf(text []byte) (entryKind, bool) {
	switch string(text) {
	case "invoke":
		return invoke, true
	case "ok":
		return succeed, true
	case "fail":
		return fail, true
	case "info":
		return info, true
	}
	return 0, false
}

// entry is one line of a history: an invocation, a completion, or what a
// bystander such as the nemesis did. It is valid until the next one is read.
type entry struct {
	line      int
	kind      entryKind
	client    client
	bystander bool // no client: the nemesis
	function  []byte
	value     value
	key       value // porcupine's :key
	hasKey    bool
	time      int64 // nanoseconds
	hasTime   bool
	oddTime   string // a :time that is none, for messages
	index     int64
	hasIndex  bool
	failure   value // the error

	// What only our own histories tell, see Export.
	node     []byte
	intended int64
	observed value
	flags    uint8
	late     bool   // intended is told
	seen     bool   // observed is told
	final    bool   // :final? is told
	ours     []byte // JSON of an extra
}

func (e *entry) clear(line int) { *e = entry{line: line} }

// fill reads an entry from its map.
func (e *entry) fill(v *value, name string, line int) error {
	e.clear(line)
	if v.shape == list {
		return e.fillTuple(v, name)
	}
	if v.shape != table {
		return errorAt(name, line, "expected an operation, which is a map such as {:process 0, :type :invoke, :f :read, :value nil}, found %s", v.describe())
	}
	typed := false
	e.client.untold = true
	for i := 0; i+1 < len(v.items); i += 2 {
		k, item := &v.items[i], &v.items[i+1]
		if k.shape != word && k.shape != str {
			continue
		}
		switch string(k.text) {
		case "type":
			kind, ok := kindOf(trimColon(item.text))
			if !ok {
				return errorAt(name, line, ":type is %s; expected :invoke, :ok, :fail or :info", item.describe())
			}
			e.kind, typed = kind, true
		case "process":
			e.fillProcess(item)
		case "f":
			e.function = trimColon(item.text)
		case "value":
			e.value = *item
		case "key":
			e.key, e.hasKey = *item, true
		case "error":
			e.failure = *item
		case "time":
			e.fillTime(item)
		case "index":
			if item.shape != integer && item.shape != nothing {
				return errorAt(name, line, ":index is %s; expected a number", item.describe())
			}
			e.index, e.hasIndex = item.n, item.shape == integer && item.n >= 0
		default:
			e.fillOurs(string(k.text), item)
		}
	}
	if !typed {
		return errorAt(name, line, "the operation has no :type; expected :invoke, :ok, :fail or :info")
	}
	return nil
}

// fillTuple reads an entry from the tuple of process, type, function and value
// that Knossos has: [0 :invoke :write 1].
func (e *entry) fillTuple(v *value, name string) error {
	n := len(v.items)
	kind, ok := entryKind(0), false
	if n == 3 || n == 4 {
		kind, ok = kindOf(trimColon(v.items[1].text))
	}
	if !ok || v.items[2].shape != word && v.items[2].shape != str {
		return errorAt(name, e.line, "expected an operation, a map such as {:process 0, :type :invoke, :f :read, :value nil} or a tuple such as [0 :invoke :read nil], found %s", v.describe())
	}
	e.kind = kind
	e.fillProcess(&v.items[0])
	e.function = trimColon(v.items[2].text)
	if n == 4 {
		e.value = v.items[3]
	}
	return nil
}

// maxNanos bounds times: 73 years.
const maxNanos = 1 << 61

// fillTime takes a time in nanoseconds; -1 is how jepsen.history writes that
// there is none. What is no time is no reason to refuse a history: the order of
// events is that of the lines, and times only measure durations.
func (e *entry) fillTime(v *value) {
	e.hasTime = v.shape == integer && v.n != -1 && v.n < maxNanos && v.n > -maxNanos
	if e.hasTime {
		e.time = v.n
	} else if v.shape != nothing {
		e.oddTime = v.describe()
	}
}

// trimColon takes the colon off a keyword that is written as a string.
func trimColon(text []byte) []byte {
	if len(text) > 1 && text[0] == ':' {
		return text[1:]
	}
	return text
}
