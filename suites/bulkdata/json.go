package bulkdata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/usptest/usptest/harness/usp"
)

// The layouts of JSON.
const (
	objectHierarchy = "ObjectHierarchy"
	nameValuePair   = "NameValuePair"
)

// collectionTime is the name under which a JSON report says when it was collected.
const collectionTime = "CollectionTime"

// jsonEncoding reads both layouts of JSON. They differ in names that have several parts: ObjectHierarchy has an object for each part.
type jsonEncoding struct {
	format string // of the profile: ObjectHierarchy, NameValuePair, or "" for either
}

func (jsonEncoding) name() string     { return "JSON" }
func (e jsonEncoding) layout() string { return e.format }

func (jsonEncoding) wellFormed(data []byte) error {
	_, err := parseJSON(data)
	return err
}

// node is one JSON value.
type node struct {
	at     int64 // offset of its first character
	spot   spot
	text   string
	kind   kind // "" for an object
	fields []field
	items  []node
}

// field is one member of an object. A name may occur in it more than once.
type field struct {
	name  string
	value node
}

// isObject reports whether a node is a JSON object.
func (n node) isObject() bool { return n.kind == "" }

// parseJSON reads one JSON value that is all of data (RFC 7159).
func parseJSON(data []byte) (node, error) {
	if len(data) > maxReport {
		return node{}, errTooMuch
	}
	if !utf8.Valid(data) {
		at := 0
		for at < len(data) {
			r, size := utf8.DecodeRune(data[at:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			at += size
		}
		return node{}, misread("JSON", data, int64(at), "UTF-8", around(data, int64(at)))
	}
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return node{}, located(data, err)
	}
	p := &jsonParser{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), here: spot{line: 1, column: 1}}
	p.decoder.UseNumber()
	return p.value(1)
}

// located says where encoding/json could not go on.
func located(data []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	if syntax.Offset >= int64(len(data)) && strings.HasPrefix(err.Error(), "unexpected end") {
		return misread("JSON", data, int64(len(data)), "a whole value", "the end")
	}
	at := max(syntax.Offset-1, 0)
	return misread("JSON", data, at, "well-formed JSON", fmt.Sprintf("%v, at %s", err, around(data, at)))
}

// jsonParser builds nodes from the tokens of encoding/json, which keep the order and the repetitions of names.
type jsonParser struct {
	data    []byte
	decoder *json.Decoder
	values  int
	read    int64 // offset of here
	here    spot
}

// next moves to the first character of the next token, behind what has been read so far.
func (p *jsonParser) next() (at int64, s spot) {
	end := p.decoder.InputOffset()
	for int(end) < len(p.data) && strings.IndexByte(" \t\r\n:,", p.data[end]) >= 0 {
		end++
	}
	for ; p.read < end; p.read++ {
		switch c := p.data[p.read]; {
		case c == '\n':
			p.here.line, p.here.column = p.here.line+1, 1
		case utf8.RuneStart(c):
			p.here.column++
		}
	}
	return end, p.here
}

// value reads the next value, which is at this depth.
func (p *jsonParser) value(depth int) (node, error) {
	at, spot := p.next()
	token, err := p.decoder.Token()
	if err != nil {
		return node{}, err
	}
	if p.values++; p.values > maxValues || depth > maxDepth {
		return node{}, errTooMuch
	}
	n := node{}
	switch token := token.(type) {
	case json.Delim:
		if n, err = p.members(token, depth); err != nil {
			return node{}, err
		}
	case string:
		n.kind, n.text = kindString, token
	case json.Number:
		n.kind, n.text = kindNumber, token.String()
	case bool:
		n.kind, n.text = kindBoolean, fmt.Sprint(token)
	default:
		n.kind, n.text = kindNull, "null"
	}
	n.at, n.spot = at, spot
	return n, nil
}

// members reads what an object or array holds, to its end.
func (p *jsonParser) members(open json.Delim, depth int) (node, error) {
	n := node{}
	if open == '[' {
		n.kind = kindArray
	}
	for p.decoder.More() {
		name := ""
		if n.isObject() {
			token, err := p.decoder.Token()
			if err != nil {
				return n, err
			}
			name, _ = token.(string)
		}
		member, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		if n.isObject() {
			n.fields = append(n.fields, field{name, member})
		} else {
			n.items = append(n.items, member)
		}
	}
	_, err := p.decoder.Token()
	return n, err
}

func (e jsonEncoding) reports(data []byte, byLetter bool) ([]report, error) {
	root, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	const layout = `an object with an array of objects, {"Report":[{…}]}`
	var lists []node
	var beside error
	for _, f := range root.fields {
		if f.name == "Report" {
			lists = append(lists, f.value)
		} else if beside == nil {
			beside = misread("layout of the JSON", data, f.value.at, "Report alone", usp.Quote(f.name)+" beside it")
		}
	}
	if len(lists) != 1 || lists[0].kind != kindArray {
		return nil, misread("layout of the JSON", data, 0, layout, around(data, 0))
	}
	instances := lists[0].items
	if len(instances) > maxInstances {
		return nil, errTooMuch
	}
	var out []report
	for _, instance := range instances {
		if !instance.isObject() {
			return nil, misread("layout of the JSON", data, instance.at, layout, "an array with "+string(instance.kind))
		}
		r := report{values: map[string]value{}}
		for _, f := range instance.fields {
			if f.name == collectionTime && !byLetter && r.time == nil {
				r.time = &value{text: f.value.text, kind: f.value.kind, spot: f.value.spot}
				continue
			}
			if err := e.flatten(&r, data, f.name, f.value); err != nil {
				return nil, err
			}
		}
		if r.layout = beside; beside == nil {
			e.judgeNames(&r, data, instance)
		}
		out = append(out, r)
	}
	return out, nil
}

// judgeNames keeps the first path in a hierarchy that is in one piece. Each of its parts is an object of its own, unless a value is in its
// place. Names that the Controller has given are no objects of the data model, and may have dots.
func (e jsonEncoding) judgeNames(r *report, data []byte, instance node) {
	if e.format != objectHierarchy {
		return
	}
	for _, f := range instance.fields {
		if _, inTheWay := r.values["Device"]; strings.HasPrefix(f.name, "Device.") && !inTheWay {
			r.layout = misread("layout of the JSON", data, f.value.at,
				"an object for each part of the path, as "+objectHierarchy+" has them", usp.Quote(f.name))
			return
		}
	}
}

// flatten adds a member of a report, and what is below it by the names of all objects around it.
func (e jsonEncoding) flatten(r *report, data []byte, name string, n node) error {
	if !n.isObject() {
		return r.add(name, value{text: n.text, kind: n.kind, spot: n.spot})
	}
	if e.format == nameValuePair {
		return misread("layout of the JSON", data, n.at, "names and values alone, as "+nameValuePair+" has them", "an object under "+usp.Quote(name))
	}
	for _, f := range n.fields {
		if err := e.flatten(r, data, name+"."+f.name, f.value); err != nil {
			return err
		}
	}
	return nil
}
