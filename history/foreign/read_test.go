package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/history/foreign/foreigntest"

	"github.com/aftershock-chaos/aftershock/history"
)

// ops writes a history's operations in short: kind key value outcome.
func ops(i *Import) string {
	var all []string
	for _, op := range i.Log.Ops {
		text := fmt.Sprintf("%s %s", op.Kind, shown(i.Names, op.Key))
		switch {
		case op.Kind == history.CAS:
			text += fmt.Sprintf(" %s>%s", value1(i.Names, op.Old), value1(i.Names, op.Value))
		case op.Elements != nil:
			text += fmt.Sprint(" ", op.Elements)
		default:
			text += " " + value1(i.Names, op.Value)
		}
		if op.Final() {
			text += " final"
		}
		all = append(all, fmt.Sprintf("%s %s p%d", text, strings.TrimSpace(op.Outcome.String()+" "+op.Error.String()), op.Process))
	}
	return strings.Join(all, "\n")
}

func shown(n *Names, k uint32) string {
	if text, ok := n.Key(k); ok {
		return text
	}
	return fmt.Sprint(k)
}

func value1(n *Names, v int64) string {
	if v == history.Nil {
		return "nil"
	}
	if text, ok := n.Value(v); ok {
		return text
	}
	return fmt.Sprint(v)
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		file, model string
		format      Format
		facts       map[string]float64
		ops         string
	}{
		{"jepsen-register.edn", "cas-register", EDN, map[string]float64{"linearizable": 1, "faults": 1},
			"write 0 1 ok p0\nread 0 1 ok p1\ncas 0 1>2 unknown timeout p0\ncas 0 5>6 fail compare p1\nread 0 2 ok p2"},
		{"jepsen-vector.edn", "cas-register", EDN, map[string]float64{"linearizable": 0}, "write :x 1 ok p0\nread :x nil ok p1"},
		{"deletes.edn", "cas-register", EDN, map[string]float64{"linearizable": 0},
			"write 0 1 ok p0\nwrite 0 nil ok p0\nread 0 nil ok p1\nwrite 0 1 ok p0\nwrite 0 nil ok p0\nread 0 1 ok p1"},
		{"history.txt", "cas-register", Text, map[string]float64{"linearizable": 1},
			"write 3 17 ok p0\nread 3 17 ok p1\ncas 3 17>18 unknown timeout p2\nread 3 18 ok p3"},
		{"jepsen.log", "cas-register", Text, map[string]float64{"linearizable": 1},
			"read 0 nil ok p0\nwrite 0 3 unknown timeout p1\nread 0 nil fail timeout p0"},
		{"elle.json", "append", JSON, map[string]float64{"append.snapshot_isolation": 1, "append.serializable": 0}, ""},
		{"own-future.edn", "append", EDN, map[string]float64{"append.strict_serializable": 0, "append.read_committed": 0, "append.read_uncommitted": 1}, ""},
		{"own-order.edn", "append", EDN, map[string]float64{"append.strict_serializable": 0, "append.read_uncommitted": 0}, ""},
		{"elle-lines.json", "append", JSON, map[string]float64{"append.txns": 1}, ""},
		{"porcupine-kv.txt", "kv", EDN, map[string]float64{"linearizable": 1},
			`cas "0" nil>"x 0 0 y" ok p0` + "\n" + `read "0" "x 0 0 y" ok p1` + "\n" + `write "0" "x 1 0 y" ok p1` + "\n" +
				`cas "0" "x 1 0 y">"x 1 0 yx 0 1 y" ok p0` + "\n" + `read "0" "x 1 0 yx 0 1 y" ok p0`},
		{"maelstrom-broadcast.edn", "set", EDN, map[string]float64{"set.acked": 2, "set.lost": 1}, "add 0 0 ok p0\nadd 0 1 ok p0\nreadset 0 [1] final ok p1"},
		{"maelstrom-pn-counter.edn", "counter", EDN, map[string]float64{"counter.out_of_bounds": 0, "counter.lost": 0},
			"increment 0 3 ok p0\nincrement 0 -1 ok p1\nread 0 2 final ok p1"},
		{"maelstrom-unique-ids.edn", "unique-ids", EDN, map[string]float64{"ids.generated": 2, "ids.duplicated": 1},
			`generate 0 "a-1" ok p0` + "\n" + `generate 0 "a-1" ok p1`},
		{"queue.edn", "queue", EDN, nil, "enqueue 0 1 ok p0\ndequeue 0 1 ok p0\ndrain 0 [] ok p1"},
	} {
		t.Run(c.file, func(t *testing.T) {
			i := load(t, filepath.Join("testdata", c.file), "")
			if i.Model != c.model || i.Format != c.format {
				t.Errorf("model %s, format %s; want %s, %s", i.Model, i.Format, c.model, c.format)
			}
			if got := ops(i); c.ops != "" && got != c.ops {
				t.Errorf("got\n%s\nwant\n%s", got, c.ops)
			}
			values := foreigntest.Facts(t, i.Log)
			for name, want := range c.facts {
				if name == "faults" {
					if w := i.Log.Windows(); len(w) != int(want) || w[0].Name != "partition" || w[0].Begin != 2_700_000 || w[0].End != 4_400_000 {
						t.Errorf("windows %+v", w)
					}
				} else if v := values[name]; !v.Known || v.N != want {
					t.Errorf("%s = %+v, want %v", name, v, want)
				}
			}
			if again := load(t, filepath.Join("testdata", c.file), c.model); ops(again) != ops(i) {
				t.Errorf("with --model %s it reads\n%s", c.model, ops(again))
			}
		})
	}
}

// ednOps makes lines of short entries: process type f value.
func ednOps(entries ...string) string {
	var b strings.Builder
	for _, e := range entries {
		f := strings.SplitN(e, " ", 4)
		fmt.Fprintf(&b, "{:process %s, :type :%s, :f :%s, :value %s}\n", f[0], f[1], f[2], f[3])
	}
	return b.String()
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, model, text, want string }{
		{"no invocation", "", ednOps("0 invoke write 1", "1 ok write 1"), "h:2: process 1 completes :write (:ok), which it has not invoked"},
		{"two open", "", ednOps("0 invoke write 1", "0 invoke read nil"), "h:2: process 0 invokes :read while its :write of line 1 has not completed"},
		{"another function", "", ednOps("0 invoke write 1", "0 ok read 1"), "h:2: process 0 completes :read, but what it invoked at line 1 is :write"},
		{"index again", "", "{:process 0, :type :invoke, :f :write, :value 1, :index 4}\n{:process 0, :type :ok, :f :write, :value 1, :index 4}", "h:2: process 0 has index 4, but the entry before has 4"},
		{"cut", "", "[{:process 0, :type :invoke, :f :write, :value 1}", "h:1: the file ends within the vector that begins at line 1"},
		{"cut map", "", "{:process 0,\n :type :invoke, :f", "h:2: the file ends within an operation that begins at line 1"},
		{"cut string", "", "{:process 0, :type \"in", "the file ends within a string that begins at line 1"},
		{"odd map", "", "{:process 0, :type}", "h:1: a map has a key without a value"},
		{"closing", "", "{:process )}", "h:1: expected a value, found ')'"},
		{"no type", "", "{:process 0, :f :read}", "h:1: the operation has no :type"},
		{"bad type", "", "{:process 0, :type :done, :f :read}", "h:1: :type is :done; expected :invoke, :ok, :fail or :info"},
		{"behind", "", "[] 5", ""},
		{"ambiguous set", "", ednOps("0 invoke add 1", "0 ok add 1"), "say it with --model, one of: set, counter"},
		{"ambiguous read", "", ednOps("0 invoke read nil", "0 ok read 1"), "--model, one of: register, cas-register, counter, set"},
		{"kafka", "", ednOps("0 invoke send [[:send 1 2]]", "0 ok send nil"), "h:1: histories of Kafka's kind (send, poll) are not supported"},
		{"echo", "", ednOps("0 invoke echo 1", "0 ok echo 1"), "no operation of a client"},
		{"rw txn", "", ednOps("0 invoke txn [[:w 1 2]]"), "h:1: process 0 writes a register in a transaction (:w)"},
		{"bad micro", "append", ednOps("0 invoke txn [[:append 1]]"), "h:1: process 0 has the micro-operation [:append 1]"},
		{"foreign function", "register", ednOps("0 invoke write 1", "0 ok write 1", "0 invoke cas [1 2]"), "h:3: :cas of process 0 is no operation of the model register, which has :delete, :read, :write"},
		{"key missing", "", ednOps("0 invoke read [1 nil]", "1 invoke write 5"), "h:2: process 1 has :write with 5; expected [key value]"},
		{"another key", "", ednOps("0 invoke read [1 nil]", "1 invoke write [1 5]", "0 ok read [2 5]"), "h:3: process 0 completes :read with key 2"},
		{"no pair", "", ednOps("0 invoke read nil", "1 invoke cas 5"), "h:2: process 1 invokes :cas with 5; expected [old new]"},
		{"no amount", "counter", ednOps("0 invoke add :x"), "h:1: process 0 invokes :add with :x; expected a number"},
		{"no elements", "set", ednOps("0 invoke read nil", "0 ok read 5"), "h:2: process 0 completes :read with 5; expected the elements"},
		{"unknown model", "kafka", ednOps("0 invoke read nil"), `unknown model "kafka"; the models are register, cas-register, kv, set, queue, append, counter, unique-ids`},
		{"JSON cut", "", "[{\"process\":0,\n\"type\":", "h:2: the file ends within an operation"},
		{"JSON syntax", "", "{\"process\":0,\n\"type\" \"ok\"}", "h:2: expected JSON"},
		{"JSON array cut", "", "[{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"},\n", "the file ends within the array that begins at line 1"},
		{"text", "", "0 :invoke :read nil\n\nrubbish\n", "h:3: expected process, type, function and value"},
		{"text short", "", "0 :invoke :read\n", "h:1: expected a function and a value"},
		{"deep", "", "{:process " + strings.Repeat("[", 100_000), "h:1: values are nested deeper than 64"},
		{"deep JSON", "", `{"process":` + strings.Repeat("[", 100_000), "h:1: expected JSON"},
		{"deeper JSON", "", `{"process":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", "h:1: values are nested deeper than 64"},
		{"deep tags", "", "{:process " + strings.Repeat("#a ", 100_000), "h:1: values are nested deeper than 64"},
		{"nothing", "", "hello", "h:1: expected operations such as {:process 0, :type :invoke, :f :read, :value nil} (EDN)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.text), "h", Options{Model: c.model})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
		})
	}
}

// TestProcessAfterUnknown: a process that goes on after an unknown outcome is
// another one.
func TestProcessAfterUnknown(t *testing.T) {
	i, err := Read(strings.NewReader(ednOps("7 invoke write 1", "7 info write 1", "7 invoke write 2", "7 ok write 2", "8 invoke read nil")), "h", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("write 0 1 unknown timeout p7\nwrite 0 2 ok p%d\nread 0 nil unknown timeout p8", uint32(firstProcess))
	if got := ops(i); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWords(t *testing.T) {
	var n Names
	v := n.value(&value{shape: str, text: []byte("seventeen")})
	k, _ := n.key(&value{shape: word, keyword: true, text: []byte("x")})
	text := fmt.Sprintf("read of key %d returned %d at 4.001 s, %d", k, v, k)
	if got, want := n.Words(text), fmt.Sprintf(`read of key :x returned "seventeen" at 4.001 s, %d`, k); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := (*Names)(nil).Words(text); got != text {
		t.Error(got)
	}
}

func TestRecognise(t *testing.T) {
	for text, want := range map[string]Format{
		"": Unrecognised, "this is no history": Unrecognised, "\xff\xff\xff\xff\x10\x00": Unrecognised, "{a: 1}": Unrecognised,
		"[1, 2]": Unrecognised, "  [ {:type :ok}": EDN, "; a comment\n{:process 0": EDN, "#jepsen.history.Op{:index": EDN,
		"({:a 1})": EDN, "\xef\xbb\xbf{\"a\"": JSON, "[\n{ \"a\"": JSON, "[]": JSON, ":nemesis\t:info\t:start\tnil": Text,
		"name: x\nfoo: ok\n": Unrecognised, "#!/bin/sh": Unrecognised, "#!/bin/sh\n{:process 0": EDN, "[0 :invoke :read nil]": EDN, "[[0 :invoke :read nil]": EDN,
		"[0, \"invoke\", \"read\", null]": JSON, "[[\"a b\",\"invoke\",\"read\",null]]": JSON,
	} {
		if got := Recognise([]byte(text)); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// TestLoadLeavesOurs: what a run records, whole or cut after a byte, is none of
// this package's.
func TestLoadLeavesOurs(t *testing.T) {
	for _, text := range []string{"\xff\xff\xff\xff\x10\x00\x00\x00", "\xff"} {
		path := filepath.Join(t.TempDir(), "history.arrows")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := Load(t.Context(), path, Options{}); ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
	}
}
