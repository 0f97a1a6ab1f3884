package model

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Bounds of one XML file. The largest that the Broadband Forum publishes has 5 MB and is 12 elements deep.
const (
	maxXML        = 32 << 20 // bytes
	maxToken      = 1 << 20  // bytes of one tag, text or comment
	maxDepth      = 64       // elements within elements
	maxElements   = 500_000  // that are kept
	maxEntities   = 1000
	maxEntity     = 256     // bytes
	maxReferences = 100_000 // to entities and characters
)

// input is a file within these bounds. What it is read with reads a few kilobytes ahead.
type input struct {
	r                       io.Reader
	size, token, references int // of the file and of the token so far
}

// exceeded is the error of a file beyond a bound.
type exceeded string

func (e exceeded) Error() string { return string(e) }

func (in *input) Read(b []byte) (int, error) {
	n, err := in.r.Read(b)
	in.size, in.token, in.references = in.size+n, in.token+n, in.references+bytes.Count(b[:n], []byte("&"))
	switch {
	case in.size > maxXML:
		return 0, exceeded(fmt.Sprintf("the file is larger than %d MB; give the data model alone", maxXML>>20))
	case in.token > maxToken:
		return 0, exceeded(fmt.Sprintf("more than %d MB in one tag, text or comment", maxToken>>20))
	case in.references > maxReferences:
		return 0, exceeded(fmt.Sprintf("more than %d references to entities", maxReferences))
	}
	return n, err
}

// place is where something is in the XML.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

func (p place) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{p}, args...)...)
}

// element is an XML element that says something about the model; descriptions and the like are not kept.
type element struct {
	name string
	attr []xml.Attr
	at   place
	kids []*element
}

func (e *element) get(name string) string {
	for _, a := range e.attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// kept are the elements that are read.
func kept(name string) bool {
	switch name {
	case "document", "import", "component", "model", "dataType", "object", "parameter", "command", "event", "input", "output",
		"uniqueKey", "profile", "syntax", "list", "size", "range", "enumeration", "pattern", "default", "pathRef", "enumerationRef":
		return true
	}
	return isType(name)
}

// isType reports whether name is one of TR-106's types.
func isType(name string) bool {
	switch name {
	case "base64", "boolean", "dateTime", "decimal", "hexBinary", "int", "long", "string", "unsignedInt", "unsignedLong":
		return true
	}
	return false
}

// passed are the elements that say nothing about what is compared.
func passed(name string) bool {
	return slices.Contains([]string{"description", "bibliography", "template", "glossary", "abbreviations", "units",
		"reference", "instanceRef", "format", "schema"}, name)
}

// parse reads one file as a stream of tokens.
func parse(name string, warn func(place, string)) (*element, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := parser{file: filepath.Base(name), warn: warn}
	return p.read(f)
}

type parser struct {
	file  string
	warn  func(place, string)
	in    *input
	d     *xml.Decoder // of in
	stack []*element
	root  *element
	kept  int // elements so far
}

func (p *parser) at() place {
	line, _ := p.d.InputPos()
	return place{p.file, line}
}

func (p *parser) read(r io.Reader) (*element, error) {
	p.in = &input{r: r}
	p.d = xml.NewDecoder(p.in)
	for {
		t, err := p.next()
		switch {
		case errors.Is(err, io.EOF) && p.root == nil:
			return nil, p.at().errorf("no XML element; want a data model as the Broadband Forum publishes it")
		case errors.Is(err, io.EOF) && len(p.stack) > 0:
			return nil, p.cut(p.stack[len(p.stack)-1])
		case errors.Is(err, io.EOF):
			return p.root, nil
		case err != nil:
			return nil, err
		}
		if err := p.token(t); err != nil {
			return nil, err
		}
	}
}

// next reads a token. It returns io.EOF at the end of the file, and every other error with its place.
func (p *parser) next() (xml.Token, error) {
	p.in.token = 0
	t, err := p.d.RawToken()
	var beyond exceeded
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return t, err
	case errors.As(err, &beyond):
		return nil, p.at().errorf("%w", err)
	}
	return nil, p.at().errorf("not XML: %w", plainSyntax(err))
}

func (p *parser) cut(within *element) error {
	return p.at().errorf("the file ends within <%s>; is it cut short?", within.name)
}

// plainSyntax takes the line from an error of the decoder, since every error here has one.
func plainSyntax(err error) error {
	var s *xml.SyntaxError
	if errors.As(err, &s) {
		return errors.New(s.Msg)
	}
	return err
}

func (p *parser) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.Directive:
		if p.root == nil {
			p.entities(string(t))
		}
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		if len(p.stack) == 0 || p.stack[len(p.stack)-1].name != t.Name.Local {
			return p.at().errorf("</%s> ends what was not begun", t.Name.Local)
		}
		p.stack = p.stack[:len(p.stack)-1]
	}
	return nil
}

// entities takes the entities that a document type declares. TR-106 has short ones, for parts of patterns; one that is long or has
// entities itself is replaced by its name, so that nothing is ever expanded twice.
func (p *parser) entities(directive string) {
	for _, found := range regexp.MustCompile(`<!ENTITY\s+([\w.-]+)(?:\s+"([^"]*)")?`).FindAllStringSubmatch(directive, maxEntities) {
		if p.d.Entity == nil {
			p.d.Entity = map[string]string{}
		}
		if len(p.d.Entity) == maxEntities {
			return
		}
		name, value := found[1], found[2]
		if value == "" || len(value) > maxEntity || strings.ContainsAny(value, "&<") {
			value = "&" + name + ";"
		}
		p.d.Entity[name] = value
	}
}

func (p *parser) start(t xml.StartElement) error {
	e := &element{name: t.Name.Local, attr: slices.Clone(t.Attr), at: p.at()}
	if len(p.stack) == 0 && (e.name != "document" || p.root != nil) {
		return e.at.errorf("<%s> where one <document> of a data model is wanted", e.name)
	}
	if len(p.stack) >= maxDepth {
		return e.at.errorf("more than %d elements within each other", maxDepth)
	}
	if p.root == nil {
		p.root = e
		p.stack = append(p.stack, e)
		return nil
	}
	if !kept(e.name) {
		if !passed(e.name) {
			p.warn(e.at, e.name)
		}
		return p.skip(e)
	}
	if p.kept++; p.kept > maxElements {
		return e.at.errorf("more than %d elements; give the data model alone", maxElements)
	}
	above := p.stack[len(p.stack)-1]
	above.kids = append(above.kids, e)
	p.stack = append(p.stack, e)
	return nil
}

// skip reads to the end of an element. Its depth is bounded by nothing but the file: no more than a number is kept.
func (p *parser) skip(e *element) error {
	for depth := 1; depth > 0; {
		t, err := p.next()
		switch {
		case errors.Is(err, io.EOF):
			return p.cut(e)
		case err != nil:
			return err
		}
		switch t.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// words splits a list of names in an attribute.
func words(s string) []string { return strings.Fields(s) }
