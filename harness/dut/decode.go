package dut

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/usptest/usptest/harness/plan"
)

// decoder walks the syntax tree of a YAML text and collects every problem, instead of stopping at the first.
type decoder struct {
	file     string
	problems []Problem
}

// value is a node with the key under which it stands, such as links[0].version.
type value struct {
	key  string
	node ast.Node
}

// kind is what a value may be, and how it is read.
type kind struct {
	schema Schema
	read   func(value)
}

// field is a key that a mapping may have; text tells the vendor what it is for.
type field struct {
	name     string
	required bool
	text     string
	kind
}

// parse makes the tree of a text that consists of one mapping. On failure the problem is recorded and the value has no node.
func (d *decoder) parse(text []byte) (v value) {
	// The parser is foreign code and the text can be anything.
	defer func() {
		if r := recover(); r != nil {
			d.problems = append(d.problems, Problem{File: d.file, Allowed: "a YAML file", Remedy: fmt.Sprintf("it cannot be read: %v", r)})
			v = value{}
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if at := tooDeep(tokens); at != nil {
		d.problems = append(d.problems, Problem{File: d.file, Line: at.Line, Column: at.Column, Value: "more than " + strconv.Itoa(maxDepth) + " levels",
			Allowed: "a mapping that describes one device"})
		return value{}
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		d.syntax(err)
		return value{}
	}
	var docs []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			docs = append(docs, doc.Body)
		}
	}
	switch len(docs) {
	case 1:
		return value{node: docs[0]}
	case 0:
		d.problems = append(d.problems, Problem{File: d.file, Allowed: "a mapping that describes one device", Remedy: "the file is empty"})
	default:
		d.add(value{node: docs[1]}, "a second document", "one document", "remove the line --- and what follows it")
	}
	return value{}
}

// maxDepth is how many lists and mappings in brackets may be in one another, and lists that begin on one line. A DUT file needs three; the
// parser takes minutes for some thousand.
const maxDepth = 50

// tooDeep is where there are more of them; nil when there are not.
func tooDeep(tokens token.Tokens) *token.Position {
	open, line, begun := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		case token.SequenceEntryType:
			if t.Position.Line != line {
				line, begun = t.Position.Line, 0
			}
			begun++
		}
		if max(open, begun) > maxDepth {
			return t.Position
		}
	}
	return nil
}

// syntax records an error of the YAML parser.
func (d *decoder) syntax(err error) {
	p := Problem{File: d.file, Remedy: "not YAML: " + err.Error()}
	if e, ok := err.(interface {
		GetToken() *token.Token
		GetMessage() string
	}); ok {
		p.Remedy = "not YAML: " + e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	d.problems = append(d.problems, p)
}

// add records a problem with a value.
func (d *decoder) add(v value, got, allowed, remedy string) {
	p := Problem{File: d.file, Key: v.key, Value: got, Allowed: allowed, Remedy: remedy}
	p.Line, p.Column = v.position()
	d.problems = append(d.problems, p)
}

// position is where a value begins, counted from 1; 0 when nobody knows.
func (v value) position() (line, column int) {
	node := v.node
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		node = m.Values[0].Key // the token of a block mapping is its first colon
	}
	if t := node.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 0, 0
}

// sorted returns the problems in the order of the file, those of other files last.
func (d *decoder) sorted() []Problem {
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(len(strings.TrimPrefix(a.File, d.file)), len(strings.TrimPrefix(b.File, d.file))),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return d.problems[:min(len(d.problems), maxProblems)]
}

// mapping reads the keys of a mapping, in the order of the file.
func (d *decoder) mapping(v value, fields ...field) {
	seen := map[string]bool{}
	ok := d.pairs(v, func(name string, key, val value) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			names := make([]string, 0, len(fields))
			for _, f := range fields {
				names = append(names, f.name)
			}
			remedy := ""
			if near := plan.Near(name, names); len(near) > 0 {
				remedy = "did you mean " + strings.Join(near, " or ") + "?"
			}
			d.add(value{v.key, key.node}, "key "+strconv.Quote(name), strings.Join(names, ", "), remedy)
			return
		}
		seen[name] = true
		if val.node.Type() == ast.NullType {
			d.add(val, "nothing", "a value", "remove the key, or give it a value")
			return
		}
		fields[i].read(val)
	})
	for _, f := range fields {
		if ok && f.required && !seen[f.name] {
			d.add(value{under(v.key, f.name), v.node}, "nothing", "", "the key is missing")
		}
	}
}

// aMapping is a mapping with these keys.
func (d *decoder) aMapping(fields ...field) kind {
	s := Schema{Type: "object"}
	for _, f := range fields {
		f.schema.Text = f.text
		s.Keys = append(s.Keys, Key{f.name, f.required, f.schema})
	}
	return kind{s, func(v value) { d.mapping(v, fields...) }}
}

// then has more done with a value when it was read without a fault.
func (d *decoder) then(k kind, more func(value)) kind {
	return kind{k.schema, func(v value) {
		faults := len(d.problems)
		if k.read(v); len(d.problems) == faults {
			more(v)
		}
	}}
}

// pairs calls read for every key of a mapping, and says whether it is one. A key that occurs twice is a problem.
func (d *decoder) pairs(v value, read func(name string, key, val value)) bool {
	m, ok := v.node.(*ast.MappingNode)
	if !ok {
		d.wrong(v, "a mapping of keys to values")
		return false
	}
	seen := map[string]bool{}
	for _, pair := range m.Values {
		key := value{v.key, pair.Key}
		name, ok := pair.Key.(*ast.StringNode)
		if !ok {
			d.wrong(key, "plain text as a key")
			continue
		}
		if seen[name.Value] {
			d.add(key, "key "+strconv.Quote(name.Value)+" again", "each key once", "")
			continue
		}
		seen[name.Value] = true
		if pair.Value == nil {
			continue
		}
		read(name.Value, key, value{under(v.key, name.Value), pair.Value})
	}
	return true
}

// under is the key of a child.
func under(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// list reads the items of a sequence.
func (d *decoder) list(v value, read func(value)) {
	s, ok := v.node.(*ast.SequenceNode)
	if !ok {
		d.wrong(v, "a list")
		return
	}
	for i, n := range s.Values {
		read(value{fmt.Sprintf("%s[%d]", v.key, i), n})
	}
}

// aList is a list; item makes what reads one item of it.
func (d *decoder) aList(item func() kind) kind {
	items := item().schema
	return kind{Schema{Type: "array", Items: &items}, func(v value) { d.list(v, func(v value) { item().read(v) }) }}
}

// text reads a text. A number or a boolean is a problem, since YAML would have changed what was written: 4.20 is 4.2.
func (d *decoder) text(v value, into *string) bool {
	switch n := v.node.(type) {
	case *ast.StringNode:
		*into = n.Value
		return true
	case *ast.LiteralNode:
		*into = n.Value.Value
		return true
	}
	d.wrong(v, "text")
	return false
}

// filled reads a text that is not empty and has no control characters.
func (d *decoder) filled(v value, into *string) bool {
	var s string
	if !d.text(v, &s) {
		return false
	}
	if strings.TrimSpace(s) == "" || strings.ContainsFunc(s, unicode.IsControl) {
		d.add(v, strconv.Quote(s), "one line of text", "")
		return false
	}
	*into = s
	return true
}

// aLine is a text that is not empty and has no control characters.
func (d *decoder) aLine(into *string) kind {
	return kind{Schema{Type: "string", Pattern: `\S`}, func(v value) { d.filled(v, into) }}
}

// aWord is one of some words.
func (d *decoder) aWord(into *string, words ...string) kind {
	return kind{Schema{Type: "string", Enum: words}, func(v value) { d.oneOf(v, into, words...) }}
}

// oneOf reads one of some words.
func (d *decoder) oneOf(v value, into *string, words ...string) bool {
	var s string
	if !d.text(v, &s) {
		return false
	}
	if slices.Contains(words, s) {
		*into = s
		return true
	}
	remedy := ""
	if near := plan.Near(s, words); len(near) > 0 {
		remedy = "did you mean " + strings.Join(near, " or ") + "?"
	}
	d.add(v, strconv.Quote(s), strings.Join(words, ", "), remedy)
	return false
}

// aNumber is a whole number of a range.
func (d *decoder) aNumber(into *int, low, high int) kind {
	return kind{Schema{Type: "integer", Minimum: &low, Maximum: &high}, func(v value) { d.number(v, into, low, high) }}
}

// number reads a whole number of a range.
func (d *decoder) number(v value, into *int, low, high int) bool {
	allowed := fmt.Sprintf("a whole number from %d to %d", low, high)
	n, ok := v.node.(*ast.IntegerNode)
	if !ok {
		d.wrong(v, allowed)
		return false
	}
	i, err := strconv.Atoi(fmt.Sprint(n.Value))
	if err != nil || i < low || i > high {
		d.add(v, fmt.Sprint(n.Value), allowed, "")
		return false
	}
	*into = i
	return true
}

// aSwitch is true or false.
func (d *decoder) aSwitch(into *bool) kind {
	return kind{Schema{Type: "boolean"}, func(v value) { d.boolean(v, into) }}
}

// boolean reads true or false.
func (d *decoder) boolean(v value, into *bool) {
	n, ok := v.node.(*ast.BoolNode)
	if !ok {
		d.wrong(v, "true or false")
		return
	}
	*into = n.Value
}

// aDuration is a duration with its unit.
func (d *decoder) aDuration(into *time.Duration, low, high time.Duration) kind {
	return kind{Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]*)?(ms|s|m|h))+$`}, func(v value) { d.duration(v, into, low, high) }}
}

// duration reads a duration such as 30s.
func (d *decoder) duration(v value, into *time.Duration, low, high time.Duration) {
	examples := "500ms, 30s or 2m"
	if high < time.Minute {
		examples = "500ms"
	}
	allowed := fmt.Sprintf("a duration with its unit, from %s to %s, such as %s", low, high, examples)
	var s string
	if _, ok := v.node.(*ast.StringNode); !ok || !d.text(v, &s) {
		d.wrong(v, allowed)
		return
	}
	t, err := time.ParseDuration(s)
	if err != nil || t < low || t > high {
		d.add(v, strconv.Quote(s), allowed, "")
		return
	}
	*into = t
}

// wrong records that a value is of the wrong type.
func (d *decoder) wrong(v value, allowed string) {
	remedy := ""
	switch v.node.Type() {
	case ast.AnchorType, ast.AliasType, ast.MergeKeyType, ast.TagType:
		remedy = "anchors, aliases and tags are not used in DUT files"
	case ast.IntegerType, ast.FloatType, ast.BoolType, ast.NullType, ast.InfinityType, ast.NanType:
		if allowed == "text" {
			remedy = "put it in quotes"
		}
	}
	d.add(v, describe(v.node), allowed, remedy)
}

// maxShown is how much of a value a problem shows.
const maxShown = 60

// describe shows a node in a few words.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		if len(n.Values) == 0 {
			return "an empty list"
		}
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.StringNode:
		return strconv.Quote(cut(n.Value))
	case *ast.LiteralNode:
		return strconv.Quote(cut(n.Value.Value))
	}
	if t := n.GetToken(); t != nil {
		return cut(t.Value)
	}
	return strings.ToLower(n.Type().String())
}

// cut shortens a text to maxShown bytes.
func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}
