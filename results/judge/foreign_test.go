package judge

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results"
)

// refused is the outcome of an input that is not judged: exit code 3.
const refused = 3

// foreignCase is a history from elsewhere, as people wrote it, and what comes of it.
type foreignCase struct {
	name, text string
	exit       int
	says       string // in the verdict's notes, findings and claims, or in the error
	options    Options
}

// outcome checks a text as a file, and gives the exit code and all that is said.
func outcome(t *testing.T, name, text string, o Options) (int, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	result, err := Check(t.Context(), path, o)
	if err != nil {
		if !errors.Is(err, failure.ErrInput) {
			t.Fatalf("%v is no error of the input", err)
		}
		return refused, err.Error()
	}
	return result.Verdict.ExitCode(), said(result.Verdict)
}

func said(v *results.Verdict) string {
	all := append([]string{}, v.Notes...)
	for _, c := range v.Claims {
		all = append(all, c.Claim+": "+c.Detail)
	}
	for i := range v.Findings {
		all = append(all, string(v.Findings[i].Class)+": "+v.Findings[i].Text)
	}
	for _, value := range v.Values {
		if value.Why != "" {
			all = append(all, value.Name+": "+value.Why)
		}
	}
	return strings.Join(all, "\n")
}

func runCases(t *testing.T, cases []foreignCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := c.text
			if !strings.HasSuffix(text, "\n") {
				text += "\n"
			}
			exit, says := outcome(t, "h", text, c.options)
			if exit != c.exit || !strings.Contains(says, c.says) {
				t.Errorf("exit %d, want %d with %q; it says\n%s", exit, c.exit, c.says, says)
			}
			if strings.Contains(says, "-9223372036854775808") || strings.Contains(says, "settle, or") || strings.Contains(says, "Arrow message") {
				t.Errorf("it says\n%s", says)
			}
		})
	}
}

// TestForeignOrder: the order of the lines is the order of events, whatever the
// times say.
func TestForeignOrder(t *testing.T) {
	runCases(t, []foreignCase{
		{"a clock that stepped back", `{:process 0, :type :invoke, :f :write, :value 1, :time 1000000000}
{:process 0, :type :ok, :f :write, :value 1, :time 1010000000}
{:process 1, :type :invoke, :f :read, :value nil, :time 500000000}
{:process 1, :type :ok, :f :read, :value 1, :time 505000000}`, 0, "the time of line 3 is before that of line 2", Options{}},
		{"a clock that stepped back hides nothing", `{:process 0, :type :invoke, :f :write, :value 1, :time 2000}
{:process 0, :type :ok, :f :write, :value 1, :time 3000}
{:process 1, :type :invoke, :f :read, :value nil, :time 1000}
{:process 1, :type :ok, :f :read, :value nil, :time 1500}`, 1, "latency.max: the time of line 3 is before that of line 2: the clock was set back", Options{}},
		{"back within an operation", `{:process 0, :type :invoke, :f :write, :value 1, :time 2000}
{:process 0, :type :ok, :f :write, :value 1, :time 1000}`, 2, "the clock was set back", Options{}},
		{"ties of one process", `{:process 0, :type :invoke, :f :write, :value 1, :time 0}
{:process 0, :type :ok, :f :write, :value 1, :time 0}
{:process 0, :type :invoke, :f :read, :value nil, :time 0}
{:process 0, :type :ok, :f :read, :value nil, :time 0}`, 1, "all lines have the same time", Options{}},
		{"ties of two processes", `{:process 0, :type :invoke, :f :write, :value 1, :time 5}
{:process 0, :type :ok, :f :write, :value 1, :time 9}
{:process 1, :type :invoke, :f :read, :value nil, :time 9}
{:process 1, :type :ok, :f :read, :value nil, :time 12}`, 1, "not-linearizable", Options{}},
		{"no time as jepsen.history writes it", `{:index 0, :time -1, :type :invoke, :process 0, :f :write, :value 1}
{:index 1, :time -1, :type :ok, :process 0, :f :write, :value 1}
{:index 2, :time -1, :type :invoke, :process 1, :f :read, :value nil}
{:index 3, :time -1, :type :ok, :process 1, :f :read, :value 1}`, 0, "durations are unknown", Options{}},
		{"some have no time", `{:process 0, :type :invoke, :f :write, :value 1, :time 5}
{:process 0, :type :ok, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil, :time 9}
{:process 1, :type :ok, :f :read, :value nil, :time -1}`, 1, "line 2 tells no time", Options{}},
		{"a time that is none", `{:process 0, :type :invoke, :f :write, :value 1, :time 0.5}
{:process 0, :type :ok, :f :write, :value 1, :time 0.75}`, 2, "the time 0.5 of line 1 is none", Options{}},
		{"a claim about a duration", `{:process 0, :type :invoke, :f :write, :value 1, :time 5}
{:process 0, :type :ok, :f :write, :value 1, :time 3}`, 2, "latency.max is unknown: the time of line 2", Options{Claims: []string{"latency.max < 1h"}}},
		{"a duration that can be told", `{:process 0, :type :invoke, :f :write, :value 1, :time 5000000}
{:process 0, :type :ok, :f :write, :value 1, :time 8000000}`, 0, "latency.max = 3ms", Options{Claims: []string{"latency.max == 3ms"}}},
		{"times since 1970", `{:process 0, :type :invoke, :f :write, :value 1, :time 1700000000000000000}
{:process 0, :type :ok, :f :write, :value 1, :time 1700000000005000000}`, 0, "latency.max = 5ms", Options{Claims: []string{"latency.max == 5ms"}}},
		{"a rate without times", `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}`, 2, "the history tells no times", Options{Claims: []string{"ops.rate > 0"}}},
		{"index against the lines", `{:index 1, :process 0, :type :invoke, :f :write, :value 1}
{:index 0, :process 0, :type :ok, :f :write, :value 1}`, refused, "h:2: process 0 has index 0, but the entry before has 1", Options{}},
		{"indices with gaps", `{:index 10, :process 0, :type :invoke, :f :write, :value 1}
{:index 20, :process 0, :type :ok, :f :write, :value 1}`, 2, "", Options{}},
		{"the read that ends a set begins with the last add's end", `{:process 0, :type :invoke, :f :add, :value 0, :time 0}
{:process 0, :type :ok, :f :add, :value 0, :time 5}
{:process 0, :type :invoke, :f :read, :value nil, :time 5}
{:process 0, :type :ok, :f :read, :value [0], :time 9}`, 0, "set.lost = 0", Options{}},
	})
}

// TestForeignClients: whoever is not the nemesis is a client.
func TestForeignClients(t *testing.T) {
	two := func(process string) string {
		return `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process ` + process + `, :type :invoke, :f :read, :value nil}
{:process ` + process + `, :type :ok, :f :read, :value nil}`
	}
	cases := []foreignCase{
		{"JSON", `[{"process":0,"type":"invoke","f":"write","value":1},{"process":0,"type":"ok","f":"write","value":1},
{"process":"worker-1","type":"invoke","f":"read","value":null},{"process":"worker-1","type":"ok","f":"read","value":null}]`, 1, `by process "worker-1"`, Options{}},
		{"the nemesis as a string", two(`"nemesis"`), 2, "", Options{}},
		{"the nemesis as a symbol", two(`nemesis`), 2, "", Options{}},
		{"text", "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n:b\t:invoke\t:read\tnil\n:b\t:ok\t:read\tnil", 1, "by process :b", Options{}},
		{"one client's order", `{:process "a", :type :invoke, :f :write, :value 1}
{:process "a", :type :ok, :f :write, :value 1}
{:process "a", :type :invoke, :f :read, :value nil}
{:process "a", :type :ok, :f :read, :value nil}`, 1, `process "a" read nothing`, Options{}},
		{"an open operation", `{:process :w, :type :invoke, :f :write, :value 1}
{:process :w, :type :invoke, :f :write, :value 2}`, refused, "h:2: process :w invokes :write while its :write of line 1", Options{}},
	}
	for _, name := range []string{"1", "-3", "99999999999", "123456789012345678901234567890", `"client 2"`, ":worker", "worker/one", `\a`, "[1 2]", "1.5", `{:n 1}`, ":nemesis-2", `"0x1"`, "true"} {
		cases = append(cases, foreignCase{"process " + name, two(name), 1, "not-linearizable", Options{}})
	}
	runCases(t, cases)
}

// TestForeignValues: values are equal by what they are, not by how they are written.
func TestForeignValues(t *testing.T) {
	var cases []foreignCase
	for _, c := range []struct {
		written, read string
		equal, json   bool
	}{
		{"#{1 2}", "#{2 1}", true, false}, {"#{1 2}", "#{1 3}", false, false}, {"{:a 1 :b 2}", "{:b 2, :a 1}", true, false},
		{"[1 #{[2 3] :x}]", "(1 #{:x [2 3]})", true, false}, {"{:a #{1 2}}", "{:a #{2 1}}", true, false}, {"[1 2]", "[2 1]", false, false},
		{"1.50", "1.5", true, false}, {"1e3", "1000.0", true, false}, {"0.1", "1e-1", true, false}, {"-0.0", "0.0", true, false},
		{"1", "1.0", false, false}, {"1N", "1", true, false}, {"1.0M", "1.00M", true, false}, {"1.0M", "1.0", false, false},
		{"0x1F", "31", true, false}, {"017", "15", true, false}, {"2r101", "5", true, false}, {"+5", "5", true, false},
		{"2/4", "1/2", true, false}, {"4/2", "2", true, false}, {"123456789012345678901234567890", "123456789012345678901234567890N", true, false},
		{`\a`, `\u0061`, true, false}, {`\newline`, `\u000a`, true, false}, {`"a"`, `\a`, false, false}, {":a", `"a"`, false, false}, {":a", "a", false, false},
		{`#inst "2020-01-01T00:00:00.000-00:00"`, `#inst "2020-01-01T01:00:00+01:00"`, true, false}, {`#inst "2020-01-01T00:00:00Z"`, `"2020-01-01T00:00:00Z"`, false, false},
		{`#uuid "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"`, `#uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"`, true, false},
		{"#:a{:b 1}", "{:a/b 1}", true, false}, {"^{:m 1} [1]", "[1]", true, false}, {"[1 #_2 3]", "[1 3]", true, false}, {"#my/rec{:a 1}", "{:a 1}", true, false},
		{`"\u00e9"`, `"é"`, true, false}, {"true", "true", true, false}, {"true", `"true"`, false, false}, {"##Inf", "##Inf", true, false},
		{"0.1", "1e-1", true, true}, {"1", "1.0", true, true}, {"1e2", "100", true, true}, {"0.10", "0.1", true, true}, {"1e20", "100000000000000000000", true, true},
		{`{"a":1,"b":[{"c":2,"d":3}]}`, `{"b":[{"d":3,"c":2}],"a":1}`, true, true}, {`{"a":1}`, `{"a":2}`, false, true}, {`"1"`, "1", false, true},
		{`"a\u0062"`, `"ab"`, true, true}, {"[1,2]", "[2,1]", false, true}, {"9007199254740993", "9007199254740992", false, true}, {"1e400", "10e399", true, true},
	} {
		format := "{:process %, :type :!, :f :=, :value $}"
		if c.json {
			format = `{"process":%,"type":"!","f":"=","value":$}`
		}
		line := func(process, kind, function, value string) string {
			return strings.NewReplacer("%", process, "!", kind, "=", function, "$", value).Replace(format) + "\n"
		}
		exit := 0
		if !c.equal {
			exit = 1
		}
		none := "nil"
		if c.json {
			none = "null"
		}
		cases = append(cases, foreignCase{c.written + " and " + c.read, line("0", "invoke", "write", c.written) + line("0", "ok", "write", c.written) +
			line("1", "invoke", "read", none) + line("1", "ok", "read", c.read), exit, "", Options{}})
	}
	runCases(t, cases)
}

// TestForeignCompletions: what an acknowledged completion carries counts.
func TestForeignCompletions(t *testing.T) {
	runCases(t, []foreignCase{
		{"another value was written", `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 2}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 2}`, 0, "", Options{}},
		{"and not the one that was asked for", `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 2}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}`, 1, "", Options{}},
		{"a completion without a value", `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}`, 0, "", Options{}},
		{"a failure with another value", `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :fail, :f :write, :value 2}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value nil}`, 0, "", Options{}},
		{"another element", `{:process 0, :type :invoke, :f :add, :value 1}
{:process 0, :type :ok, :f :add, :value 2}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value [2]}`, 0, "", Options{}},
		{"of one key", `{:process 0, :type :invoke, :f :write, :value [:x 1]}
{:process 0, :type :ok, :f :write, :value [:x 2]}
{:process 1, :type :invoke, :f :read, :value [:x nil]}
{:process 1, :type :ok, :f :read, :value [:x 2]}`, 0, "", Options{}},
		{"another comparison", `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 0, :type :invoke, :f :cas, :value [1 2]}
{:process 0, :type :ok, :f :cas, :value [1 3]}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 3}`, 0, "", Options{}},
	})
}

const begins = `{:process 0, :type :invoke, :f :write, :value 100}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 2, :type :invoke, :f :read, :value nil}
{:process 2, :type :ok, :f :read, :value 0}
{:process 1, :type :ok, :f :read, :value 100}
{:process 0, :type :ok, :f :write, :value 100}`

// TestForeignInitial: what registers hold at first can be told, and is hinted at
// where nothing else contradicts anything.
func TestForeignInitial(t *testing.T) {
	late := `{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 0}`
	runCases(t, []foreignCase{
		{"a hint", begins, 1, "if registers begin with 0, say --initial '0'", Options{}},
		{"told", begins, 0, "", Options{Initial: "0"}},
		{"told another", begins, 1, "returned 0", Options{Initial: "5"}},
		{"stale", late, 1, "read of key 0 at system returned 0 at", Options{Initial: "0"}},
		{"nil is another value then", strings.ReplaceAll(late, "value 0}", "value nil}"), 1, "returned nil at", Options{Initial: "0"}},
		{"written again", late + "\n" + `{:process 0, :type :invoke, :f :write, :value 0}
{:process 0, :type :ok, :f :write, :value 0}`, 1, "", Options{Initial: "0"}},
		{"compare-and-set", `{:process 0, :type :invoke, :f :cas, :value [0 1]}
{:process 0, :type :ok, :f :cas, :value [0 1]}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}`, 0, "", Options{Initial: "0"}},
		{"of every key", `{:process 0, :type :invoke, :f :read, :value [:x nil]}
{:process 0, :type :ok, :f :read, :value [:x :none]}
{:process 0, :type :invoke, :f :read, :value [:y nil]}
{:process 0, :type :ok, :f :read, :value [:y :none]}`, 0, "", Options{Initial: ":none", Model: "register"}},
		{"JSON", `[{"process":0,"type":"invoke","f":"read","value":null},{"process":0,"type":"ok","f":"read","value":0.0},{"process":0,"type":"invoke","f":"write","value":1}]`, 0, "", Options{Initial: "0"}},
		{"not of sets", `{:process 0, :type :invoke, :f :add, :value 1}
{:process 0, :type :ok, :f :read, :value [1]}`, refused, "", Options{Initial: "0"}},
		{"no value", begins, refused, "expected one value", Options{Initial: "0 1"}},
		{"no EDN", begins, refused, "the initial value", Options{Initial: "{"}},
	})
	if _, says := outcome(t, "h", late, Options{}); strings.Contains(says, "--initial") {
		t.Errorf("a hint though it would not help:\n%s", says)
	}
}
