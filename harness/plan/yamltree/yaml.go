package yamltree

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/aftershock-chaos/aftershock/internal/spelling"
)

// The bounds of a plan file. The library's parser recurses by depth and takes
// time quadratic in the keys of one map, so both are bounded before it runs.
const (
	MaxFile   = 1 << 20 // bytes
	maxDepth  = 32      // nested maps and lists
	MaxTokens = 20_000  // of YAML, in a file
	maxNodes  = 20_000  // values in a file, aliases counted as often as they are used
)

// Document is one document's tree; Torn if parts of it could not be read.
type Document struct {
	Root *Node
	Torn bool
}

// Parse reads the YAML documents of a file; empty ones are left out.
func (s *File) Parse(data []byte) ([]Document, []*Error) {
	if e := s.checkBytes(data); e != nil {
		return nil, []*Error{e}
	}
	tokens := lexer.Tokenize(string(data))
	if e := s.checkTokens(tokens); e != nil {
		return nil, []*Error{e}
	}
	var trees []Document
	var found []*Error
	budget := maxNodes
	for _, document := range splitDocuments(tokens) {
		body, e := s.parseDocument(document)
		if e != nil {
			found = append(found, e)
			continue
		}
		if body == nil {
			continue
		}
		g := &grower{src: s, budget: budget, anchors: map[string]*Node{}}
		tree := g.grow(body, 0)
		budget = g.budget
		found = append(found, g.found...)
		trees = append(trees, Document{tree, len(g.found) > 0})
	}
	return trees, found
}

func (s *File) checkBytes(data []byte) *Error {
	if len(data) > MaxFile {
		return s.At(Place{}, "", fmt.Sprintf("the file has more than %d bytes", MaxFile), "split it into several files")
	}
	if utf8.Valid(data) {
		return nil
	}
	good := 0
	for good < len(data) {
		r, n := utf8.DecodeRune(data[good:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		good += n
	}
	before := strings.Split(string(data[:good]), "\n")
	column := utf8.RuneCountInString(before[len(before)-1]) + 1
	return s.At(Place{Line: len(before), Column: column}, "", "the file is not UTF-8 text", "save it as UTF-8")
}

// checkTokens refuses what the parser should not see: what cannot be read,
// too much of it, or nesting without end.
func (s *File) checkTokens(tokens token.Tokens) *Error {
	if len(tokens) > MaxTokens {
		return s.atToken(tokens[MaxTokens], fmt.Sprintf("the file has more than %d words and marks", MaxTokens), "split it into several files")
	}
	for _, t := range tokens {
		if t.Type == token.InvalidType {
			return s.unreadable(t, t.Error)
		}
		if t.Type == token.DirectiveType {
			return s.atToken(t, "YAML directives (%…) have no meaning in a plan", "take the line away")
		}
	}
	if t := tooDeep(tokens); t != nil {
		return s.atToken(t, fmt.Sprintf("nested deeper than %d levels", maxDepth), "a plan needs far fewer")
	}
	return nil
}

// tooDeep finds a token that nests deeper than maxDepth on one line or in
// brackets, nil if none does. Marks that nest without brackets ("- - -", "? ?",
// "&a &b", "!a !b") count while they follow each other. Nesting by indentation
// needs no bound here: a line at depth n has n spaces, so that MaxFile
// bounds the depth to about 1,500.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, run := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.DocumentHeaderType, token.DocumentEndType:
			brackets, run = 0, 0
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets = max(0, brackets-1)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType, token.MappingValueType:
			run++
		default:
			// An anchor's name is a token of its own.
			if t.Prev == nil || t.Prev.Type != token.AnchorType {
				run = 0
			}
		}
		if brackets > maxDepth || run > maxDepth {
			return t
		}
	}
	return nil
}

// splitDocuments cuts the tokens at the document marks. The parser could do
// so, but it drops what follows an empty document.
func splitDocuments(tokens token.Tokens) []token.Tokens {
	var documents []token.Tokens
	var current token.Tokens
	for _, t := range tokens {
		switch t.Type {
		case token.DocumentHeaderType, token.DocumentEndType:
			documents, current = append(documents, current), nil
		case token.CommentType:
		default:
			current = append(current, t)
		}
	}
	return append(documents, current)
}

// parseDocument runs the parser on one document's tokens; nil for an empty one.
func (s *File) parseDocument(tokens token.Tokens) (body ast.Node, failed *Error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	defer func() {
		// The library has panicked on input that nobody would write; the file
		// is wrong all the same.
		if r := recover(); r != nil {
			body, failed = nil, s.atToken(tokens[0], fmt.Sprintf("the YAML parser cannot read this document (%v)", r), "mend the YAML")
		}
	}()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, s.syntax(tokens[0], err)
	}
	if len(file.Docs) != 1 {
		return nil, s.atToken(tokens[0], "the YAML of this document cannot be told apart", "separate plans by a line that is just ---")
	}
	return file.Docs[0].Body, nil
}

func (s *File) syntax(first *token.Token, err error) *Error {
	var known yaml.Error
	if errors.As(err, &known) && known.GetToken() != nil {
		return s.unreadable(known.GetToken(), known.GetMessage())
	}
	return s.unreadable(first, err.Error())
}

// unreadable tells what the library has to say of text that is not YAML.
func (s *File) unreadable(t *token.Token, message string) *Error {
	remedy := "mend the YAML"
	if strings.Contains(message, "\t") {
		remedy = "indent with spaces, not with tabs"
	}
	return s.atToken(t, plainMessage(message), remedy)
}

// plainMessage is the first line of a library's message.
func plainMessage(m string) string {
	m, _, _ = strings.Cut(m, "\n")
	return "this is not YAML: " + strings.TrimSpace(string(spelling.Printable(m)))
}

func (s *File) atToken(t *token.Token, message, remedy string) *Error {
	return s.At(tokenPlace(t), "", message, remedy)
}

func tokenPlace(t *token.Token) Place {
	return Place{Line: t.Position.Line, Column: t.Position.Column}
}

// UnixText is text without the mark that some editors put before UTF-8, and
// with one sort of line ends, so that lines are counted alike everywhere.
func UnixText(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
}
