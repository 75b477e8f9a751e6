package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// chosen is the environment variable that names the mutant of a binary that is
// in force, by its id; the tests see none without it.
const chosen = "AFTERSHOCK_MUTANT"

// chooser is the file that is put beside the woven ones, in each room.
const chooser = `package %s

import (
	"os"
	"strconv"
)

var chosenMutant, _ = strconv.Atoi(os.Getenv("` + chosen + `"))
`

// edit replaces a stretch of a source.
type edit struct {
	at, end int
	text    string
}

// weave puts mutants into the source that they are of: each as a copy of the
// function that it changes, to which the function passes its calls when that
// mutant is chosen (mutant schemata: Untch, Offutt and Harrold, ISSTA 1993).
// So one binary has them all, which is much faster built. Those that change
// more or other than one function are left out.
func weave(source string, mutants []*mutant) (woven string, left []*mutant, err error) {
	before, err := functions(source)
	if err != nil {
		return "", nil, err
	}
	var edits []edit
	var copies strings.Builder
	for _, m := range mutants {
		name, text, ok := m.only(source, before)
		if !ok {
			left = append(left, m)
			continue
		}
		f := before[name]
		call, names, ok := f.call(fmt.Sprint("_m", m.id))
		if !ok {
			left = append(left, m)
			continue
		}
		edits = append(append(edits, names...), edit{f.body, f.body, fmt.Sprintf(" if chosenMutant == %d { %s };", m.id, call)})
		fmt.Fprintf(&copies, "\n//line %s:%d\n%s_m%d%s\n", m.list, m.line, text[:f.named], m.id, text[f.named:])
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Or(b.at-a.at, cmp.Compare(a.text, b.text)) })
	for _, e := range slices.Compact(edits) {
		source = source[:e.at] + e.text + source[e.end:]
	}
	return source + copies.String(), left, nil
}

// only is the one function that a mutant changes, with what it becomes.
func (m *mutant) only(source string, before map[string]function) (name, text string, ok bool) {
	after, err := functions(m.broken)
	if err != nil || len(after) != len(before) {
		return "", "", false
	}
	rest, was := m.broken, source
	for n, f := range before {
		g, found := after[n]
		if !found {
			return "", "", false
		}
		if f.text == g.text {
			continue
		}
		if name != "" || f.signature != g.signature {
			return "", "", false
		}
		name, text = n, g.text
		rest, was = strings.Replace(rest, g.text, "", 1), strings.Replace(was, f.text, "", 1)
	}
	return name, text, name != "" && rest == was
}

// function is one declaration in a source.
type function struct {
	decl            *ast.FuncDecl
	text, signature string
	named           int // where its name ends, in text
	begin, body     int // where it and its body begin, in the source
}

// functions are those of a source, by receiver and name.
func functions(source string) (map[string]function, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "source.go", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	at := func(p token.Pos) int { return set.Position(p).Offset }
	all := map[string]function{}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		begin := at(f.Pos())
		name := f.Name.Name
		if f.Recv != nil {
			name = source[at(f.Recv.Pos()):at(f.Recv.End())] + name
		}
		all[name] = function{decl: f, text: source[begin:at(f.End())], signature: source[begin:at(f.Body.Lbrace)],
			named: at(f.Name.End()) - begin, begin: begin, body: at(f.Body.Lbrace) + 1}
	}
	return all, nil
}

// call is the statement that passes a call on to the copy with a suffix, with
// the names that parameters without one get for it; not if even their place is
// without one.
func (f *function) call(suffix string) (string, []edit, bool) {
	var args []string
	var names []edit
	for _, p := range f.decl.Type.Params.List {
		for _, n := range p.Names {
			name := n.Name
			if name == "_" {
				name = fmt.Sprint("unnamed", len(args))
				at := f.begin + int(n.Pos()-f.decl.Pos())
				names = append(names, edit{at, at + 1, name})
			}
			if _, more := p.Type.(*ast.Ellipsis); more {
				name += "..."
			}
			args = append(args, name)
		}
		if len(p.Names) == 0 {
			return "", nil, false
		}
	}
	call := f.decl.Name.Name + suffix + "(" + strings.Join(args, ", ") + ")"
	if f.decl.Recv != nil {
		receiver := f.decl.Recv.List[0].Names
		if len(receiver) == 0 || receiver[0].Name == "_" {
			return "", nil, false
		}
		call = receiver[0].Name + "." + call
	}
	if f.decl.Type.Results != nil {
		return "return " + call, names, true
	}
	return call + "; return", names, true
}
