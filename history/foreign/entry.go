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
	process   int64
	bystander bool // no client: the nemesis
	function  []byte
	value     value
	key       value // porcupine's :key
	hasKey    bool
	time      int64 // nanoseconds
	hasTime   bool
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
	if v.shape != table {
		return errorAt(name, line, "expected an operation, which is a map such as {:process 0, :type :invoke, :f :read, :value nil}, found %s", v.describe())
	}
	typed, processed := false, false
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
			processed = true
			if err := e.fillProcess(item, name); err != nil {
				return err
			}
		case "f":
			e.function = trimColon(item.text)
		case "value":
			e.value = *item
		case "key":
			e.key, e.hasKey = *item, true
		case "error":
			e.failure = *item
		case "time":
			if item.shape == nothing {
				continue
			}
			if item.shape != integer {
				return errorAt(name, line, ":time is %s; expected whole nanoseconds", item.describe())
			}
			e.time, e.hasTime = item.n, true
		case "index":
			if item.shape != integer && item.shape != nothing {
				return errorAt(name, line, ":index is %s; expected a number", item.describe())
			}
			e.index, e.hasIndex = item.n, item.shape == integer && item.n >= 0
		default:
			e.fillOurs(string(k.text), item)
		}
	}
	switch {
	case !typed:
		return errorAt(name, line, "the operation has no :type; expected :invoke, :ok, :fail or :info")
	case !processed:
		return errorAt(name, line, "the operation has no :process; expected a number, or :nemesis")
	}
	return nil
}

func (e *entry) fillProcess(v *value, name string) error {
	switch {
	case v.shape == integer:
		e.process = v.n
	case v.shape == word || v.shape == str:
		n, ok := parseInt(v.text)
		e.process, e.bystander = n, !ok
	default:
		return errorAt(name, e.line, ":process is %s; expected a number, or :nemesis", v.describe())
	}
	return nil
}

// trimColon takes the colon off a keyword that is written as a string.
func trimColon(text []byte) []byte {
	if len(text) > 1 && text[0] == ':' {
		return text[1:]
	}
	return text
}
