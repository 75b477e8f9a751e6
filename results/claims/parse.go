package claims

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/aftershock-chaos/aftershock/checkers"
)

// dimension is what a part of a claim measures.
type dimension uint8

const (
	anyDim dimension = iota // of a fact that no table knows, and of the literal 0
	number
	duration
	boolean
)

func (d dimension) String() string {
	return [...]string{"a value", "a number", "a duration", "true or false"}[d]
}

// term is a part of a claim's expression.
type term struct {
	op          string // const, fact, not, neg, and, or, or the sign of a binary operator
	dim         dimension
	offset      int // in characters
	n           float64
	name        string
	left, right *term
}

// placeError is a message with its offset in characters.
type placeError struct {
	offset  int
	message string
}

// parseExpr parses the text with expr, whose numbers have no units: each
// duration literal is replaced by an identifier of the same length, so that
// every offset stays true, and returned by its offset.
func parseExpr(text string) (ast.Node, map[int]time.Duration, *placeError) {
	if at := strings.IndexFunc(text, func(r rune) bool { return r == unicode.ReplacementChar }); at >= 0 {
		return nil, nil, &placeError{len([]rune(text[:at])), "it holds a character that is not valid UTF-8"}
	}
	masked, durations, perr := maskDurations([]rune(text))
	if perr != nil {
		return nil, nil, perr
	}
	tree, err := parser.Parse(masked)
	if err != nil {
		var at *file.Error
		if errors.As(err, &at) {
			return nil, nil, &placeError{min(at.From, len([]rune(text))), remedied(text, unmask(at.Message))}
		}
		return nil, nil, &placeError{0, err.Error()}
	}
	return tree.Node, durations, nil
}

// remedies are what people write that the language does not have, and what to write.
var remedies = []struct {
	written *regexp.Regexp // in the claim
	message string         // of expr, its beginning; empty: any
	remedy  string
}{
	{regexp.MustCompile(`^\s*$`), "", "it is empty"},
	{regexp.MustCompile(`p\d+\.\d`), "", "percentiles are written without a point: p999"},
	{regexp.MustCompile(`\d\s*%`), "", "a percentage is written as a ratio: 5 % is 0.05"},
	{regexp.MustCompile(`\d\s+(ns|us|µs|μs|ms|s|m|h)\b`), "", "a duration is written in one word: 5ms, 1m30s"},
	{regexp.MustCompile(`\d\s*(sec|min|hour|milli|micro|nano|msec|day)`), "", "a duration is written like 5ms, 1m30s or 2h"},
	{regexp.MustCompile(`[^<>=!]=[^=]|=<|=>|<>`), `unexpected token Operator(`, "compare with ==, !=, <, <=, > or >="},
	{regexp.MustCompile(`(^|[^&])&([^&]|$)|(^|[^|])\|([^|]|$)`), "", "combine with && (and), || (or), ! (not)"},
	{regexp.MustCompile(``), "unexpected token EOF", "it ends too early"},
}

// remedied adds to what expr did not expect what to write in its place.
func remedied(text, message string) string {
	for _, r := range remedies {
		if strings.HasPrefix(message, r.message) && r.written.MatchString(text) {
			return message + "; " + r.remedy
		}
	}
	return message
}

// unmask keeps the replaced literals out of messages.
func unmask(message string) string {
	return maskedName.ReplaceAllString(message, `("a duration")`)
}

var (
	maskedName      = regexp.MustCompile(`\("_{2,}"\)`)
	durationLiteral = regexp.MustCompile(`^(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h))+$`)
)

func maskDurations(text []rune) (string, map[int]time.Duration, *placeError) {
	durations := map[int]time.Duration{}
	for i := 0; i < len(text); {
		begin := i
		switch {
		case text[i] == '"' || text[i] == '\'' || text[i] == '`':
			i = skipString(text, i)
		case wordRune(text[i]) && !unicode.IsDigit(text[i]):
			for i < len(text) && wordRune(text[i]) {
				i++
			}
		case text[i] == '.' && i+1 < len(text) && unicode.IsDigit(text[i+1]) && begin > 0 && wordRune(text[begin-1]):
			i += 2 // a part of a name
		case unicode.IsDigit(text[i]):
			for i < len(text) && (wordRune(text[i]) || text[i] == '.') {
				i++
			}
			literal := string(text[begin:i])
			if !durationLiteral.MatchString(literal) {
				continue
			}
			d, err := time.ParseDuration(literal)
			if err != nil {
				return "", nil, &placeError{begin, fmt.Sprintf("%s is longer than the longest duration, 292 years", literal)}
			}
			durations[begin] = d
			for k := begin; k < i; k++ {
				text[k] = '_'
			}
		default:
			i++
		}
	}
	return string(text), durations, nil
}

func skipString(text []rune, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return len(text)
}

func wordRune(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// claimParser turns expr's tree into terms and refuses all but the claims'
// language.
type claimParser struct {
	facts     []checkers.Fact
	durations map[int]time.Duration
	names     []string
	known     map[string]bool
}

func (p *claimParser) term(n ast.Node) (*term, *placeError) {
	if n == nil {
		return nil, &placeError{0, "it is empty; write a comparison such as writes.lost == 0"}
	}
	at := n.Location().From
	switch n := n.(type) {
	case *ast.IntegerNode:
		return constant(float64(n.Value), at), nil
	case *ast.FloatNode:
		return constant(n.Value, at), nil
	case *ast.BoolNode:
		return &term{op: "const", dim: boolean, offset: at, n: truth(n.Value)}, nil
	case *ast.IdentifierNode, *ast.MemberNode:
		return p.fact(n)
	case *ast.UnaryNode:
		return p.unary(n, at)
	case *ast.BinaryNode:
		return p.binary(n, at)
	case *ast.CallNode, *ast.BuiltinNode:
		return nil, &placeError{at, "functions cannot be called in a claim; use facts, numbers, durations, comparison, arithmetic, and, or, not"}
	case *ast.StringNode:
		return nil, &placeError{at, "text has no place in a claim; write a duration as 500ms, without quotes"}
	}
	return nil, &placeError{at, "this is not possible in a claim; use facts, numbers, durations, comparison, arithmetic, and, or, not"}
}

func constant(n float64, at int) *term {
	if n == 0 {
		return &term{op: "const", dim: anyDim, offset: at}
	}
	return &term{op: "const", dim: number, offset: at, n: n}
}

func (p *claimParser) fact(n ast.Node) (*term, *placeError) {
	name, at, ok := memberName(n)
	if !ok {
		return nil, &placeError{at, `this does not name a fact; write facts as writes.lost or lag["node-1"].p99`}
	}
	if d, ok := p.durations[at]; ok {
		if _, plain := n.(*ast.IdentifierNode); !plain {
			return nil, &placeError{at, "a duration has no parts"}
		}
		return &term{op: "const", dim: duration, offset: at, n: float64(d)}, nil
	}
	if !p.known[name] {
		p.known[name] = true
		p.names = append(p.names, name)
	}
	t := &term{op: "fact", offset: at, name: name}
	if fact, ok := Lookup(p.facts, name); ok {
		t.dim = dimensionOf(fact.Unit)
	}
	return t, nil
}

func dimensionOf(u checkers.Unit) dimension {
	switch u {
	case checkers.Nanos:
		return duration
	case checkers.Boolean:
		return boolean
	}
	return number
}

func (p *claimParser) unary(n *ast.UnaryNode, at int) (*term, *placeError) {
	left, err := p.term(n.Node)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "not", "!":
		if left.dim != boolean && left.dim != anyDim {
			return nil, &placeError{left.offset, fmt.Sprintf("not needs true or false here, this is %s", left.dim)}
		}
		return &term{op: "not", dim: boolean, offset: at, left: left}, nil
	case "-", "+":
		if left.dim == boolean {
			return nil, &placeError{left.offset, fmt.Sprintf("%s needs a number or a duration here", n.Operator)}
		}
		if n.Operator == "+" {
			return left, nil
		}
		return &term{op: "neg", dim: left.dim, offset: at, left: left}, nil
	}
	return nil, &placeError{at, fmt.Sprintf("the operator %s is not possible in a claim", n.Operator)}
}

func (p *claimParser) binary(n *ast.BinaryNode, at int) (*term, *placeError) {
	left, err := p.term(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := p.term(n.Right)
	if err != nil {
		return nil, err
	}
	t := &term{op: n.Operator, offset: left.offset, left: left, right: right}
	switch n.Operator {
	case "&&":
		t.op = "and"
	case "||":
		t.op = "or"
	}
	dim, message := combine(t.op, left, right)
	if message != "" {
		return nil, &placeError{at, message}
	}
	t.dim = dim
	return t, nil
}

// combine tells the dimension of a binary operation, or what is wrong with it.
func combine(op string, left, right *term) (dimension, string) {
	a, b := left.dim, right.dim
	logical := a == boolean || b == boolean
	switch op {
	case "and", "or":
		if a != boolean && a != anyDim || b != boolean && b != anyDim {
			return 0, fmt.Sprintf("%s needs true or false on both sides; compare the facts with something, such as == 0", op)
		}
		return boolean, ""
	case "==", "!=":
		if message := mismatch(left, right); message != "" {
			return 0, message
		}
		return boolean, ""
	case "<", "<=", ">", ">=", "+", "-", "%":
		if logical {
			return 0, fmt.Sprintf("%s needs numbers or durations on both sides", op)
		}
		if message := mismatch(left, right); message != "" {
			return 0, message
		}
		if strings.ContainsAny(op, "<>") {
			return boolean, ""
		}
		return max(a, b), ""
	case "*", "/":
		return scale(op, a, b)
	}
	return 0, fmt.Sprintf("the operator %s is not possible in a claim", op)
}

func scale(op string, a, b dimension) (dimension, string) {
	switch {
	case a == boolean || b == boolean:
		return 0, fmt.Sprintf("%s needs numbers or durations on both sides", op)
	case a == anyDim || b == anyDim:
		return anyDim, ""
	case op == "*" && a == duration && b == duration:
		return 0, "two durations cannot be multiplied"
	case op == "/" && a == number && b == duration:
		return 0, "a number cannot be divided by a duration"
	case op == "/" && a == duration && b == duration:
		return number, ""
	}
	return max(a, b), ""
}

// mismatch tells why two terms cannot be compared or added.
func mismatch(left, right *term) string {
	a, b := left.dim, right.dim
	if a == b || a == anyDim || b == anyDim {
		return ""
	}
	for _, t := range [...]*term{left, right} {
		if t.op == "fact" && t.dim == duration {
			return fmt.Sprintf("%s is a duration; compare it with one, such as 100ms", t.name)
		}
	}
	return fmt.Sprintf("%s and %s cannot be compared", a, b)
}
