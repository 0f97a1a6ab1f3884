package usp

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParsePath reads a path of the instantiated data model, as TR-369, section "Data Model Path Grammar", writes it. The
// error is a Mismatch that shows the path and says at which byte what was expected.
func ParsePath(s string) (Path, error) { return parsePath("path", s, absolute) }

// ParseSchemaPath reads a path of the supported data model: rows are "{i}", or a number in a divergent path.
func ParseSchemaPath(s string) (Path, error) { return parsePath("supported path", s, absolute|schema) }

// ParseRelativePath reads a path below an object: "Status", "Stats.BytesSent", "RouteHops.1.Host", "Reset()".
func ParseRelativePath(s string) (Path, error) { return parsePath("relative path", s, 0) }

// ParseRelativeSchemaPath reads a relative path of the supported data model: "RouteHops.{i}.Host".
func ParseRelativeSchemaPath(s string) (Path, error) {
	return parsePath("relative supported path", s, schema)
}

// ParseReference reads the value of a parameter that refers to an object, where the final dot may be missing:
// "Device.IP.Interface.1". The result is always the path of an object.
func ParseReference(s string) (Path, error) {
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return parsePath("reference", s, absolute)
}

// grammar selects what a path may be.
type grammar uint8

const (
	absolute grammar = 1 << iota // starts with the root object
	schema                       // of the supported data model
)

func parsePath(what, s string, g grammar) (Path, error) {
	switch {
	case len(s) > MaxPathLength:
		return Path{}, &Mismatch{what, fmt.Sprintf("at most %d bytes", MaxPathLength), fmt.Sprintf("%d bytes", len(s))}
	case !utf8.ValidString(s):
		return Path{}, Differs(what, Quote(s), "text in UTF-8")
	}
	p := &pathParser{what: what, text: s, grammar: g}
	return p.path()
}

// pathParser reads text from left to right; at is how far it is.
type pathParser struct {
	what    string
	text    string
	at      int
	grammar grammar
}

func (p *pathParser) path() (Path, error) {
	var segments []Segment
	for {
		if len(segments) == MaxPathSegments {
			return Path{}, p.want(fmt.Sprintf("at most %d segments", MaxPathSegments))
		}
		segment, err := p.segment(segments)
		if err != nil {
			return Path{}, err
		}
		segments = append(segments, segment)
		path := Path{ParameterPath, segments}
		switch {
		case segment.Follow != 0 && !p.take("."):
			return Path{}, p.want("'.' after the reference")
		case segment.Follow != 0 && p.done():
			path.Kind = ObjectPath
			return path, nil
		case segment.Follow != 0:
			continue
		case p.done() && segment.Kind != NameSegment:
			return Path{}, p.want("'.' after an instance")
		case p.done() && p.grammar&absolute != 0 && len(segments) == 1:
			return Path{}, p.want("'.' after the root object")
		case p.done():
			return path, nil
		case segment.Kind == NameSegment && p.end("()"):
			path.Kind = CommandPath
			return path, p.hasObject(segments)
		case segment.Kind == NameSegment && p.end("!"):
			path.Kind = EventPath
			return path, p.hasObject(segments)
		case !p.take("."):
			return Path{}, p.want("'.', '()', '!', '+' or the end")
		case p.done() && segment.Kind == NameSegment:
			path.Kind = ObjectPath
			return path, nil
		case p.done():
			path.Kind = InstancePath
			return path, nil
		}
	}
}

// hasObject refuses an absolute command or event without the object that it belongs to.
func (p *pathParser) hasObject(segments []Segment) error {
	if p.grammar&absolute != 0 && len(segments) == 1 {
		return Differs(p.what, Quote(p.text), "an object before the name")
	}
	return nil
}

// segment reads what comes up to the next dot. An instance may only follow the name of its table.
func (p *pathParser) segment(before []Segment) (Segment, error) {
	start := p.at
	if p.name() {
		s := Segment{Name: p.text[start:p.at]}
		if p.grammar&schema == 0 {
			return s, p.follow(&s)
		}
		return s, nil
	}
	last := len(before) - 1
	table := last >= 0 && before[last].Kind == NameSegment && before[last].Follow == 0 &&
		(last > 0 || p.grammar&absolute == 0)
	switch {
	case !table:
		return Segment{}, p.want("a name")
	case p.grammar&schema != 0 && p.take("{i}"):
		return Segment{Kind: PlaceholderSegment}, nil
	case p.next() >= '0' && p.next() <= '9':
		n, err := p.number()
		return Segment{Kind: NumberSegment, Number: n}, err
	case p.grammar&schema != 0:
		return Segment{}, p.want("a name, '{i}' or an instance number")
	case p.take("*"):
		return Segment{Kind: WildcardSegment}, nil
	case p.take("["):
		conditions, err := p.conditions()
		return Segment{Kind: SearchSegment, Conditions: conditions}, err
	}
	return Segment{}, p.want("a name, an instance number, '*' or '['")
}

// name moves over a name: a letter or '_', then letters, digits and '_'. A vendor's name may hold hyphens too, for the
// dots of its domain: X_EXAMPLE-COM_Name (TR-106 3.3).
func (p *pathParser) name() bool {
	if isDigit(p.next()) {
		return false
	}
	start := p.at
	vendor := strings.HasPrefix(p.text[start:], "X_")
	for isAlphaNum(p.next()) || p.next() == '_' || vendor && p.next() == '-' {
		p.at++
	}
	return p.at > start
}

// follow reads "+", "#2+" or "#*+" after the name of a reference parameter.
func (p *pathParser) follow(s *Segment) error {
	switch {
	case p.take("+"):
		s.Follow = 1
	case p.take("#*+"):
		s.Follow = FollowAll
	case p.take("#"):
		n, err := p.number()
		if err != nil {
			return err
		}
		if !p.take("+") {
			return p.want("'+' after the number of the list item")
		}
		s.Follow = n
	}
	return nil
}

// number reads an instance or item number: at least 1, without leading zeros, within an unsignedInt.
func (p *pathParser) number() (int, error) {
	start := p.at
	for !p.done() && isDigit(p.next()) {
		p.at++
	}
	digits := p.text[start:p.at]
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || digits[0] == '0' {
		p.at = start
		return 0, p.want("a number from 1 to 4294967295 without leading zeros")
	}
	return int(n), nil
}

func (p *pathParser) done() bool { return p.at == len(p.text) }

// next is the next byte, 0 at the end.
func (p *pathParser) next() byte {
	if p.done() {
		return 0
	}
	return p.text[p.at]
}

// take moves over token if it is next.
func (p *pathParser) take(token string) bool {
	if !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

// end moves over token if it is all that is left.
func (p *pathParser) end(token string) bool { return p.text[p.at:] == token && p.take(token) }

// want is the error that something else was expected here.
func (p *pathParser) want(what string) error {
	return Differs(p.what, Quote(p.text), "%s at byte %d", what, p.at)
}
