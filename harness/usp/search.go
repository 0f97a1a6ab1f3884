package usp

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Op is an operator of a search expression.
type Op string

// The operators of TR-369, section "Searching with Expressions".
const (
	Equal        Op = "=="
	NotEqual     Op = "!="
	Contains     Op = "~=" // a list has this item
	Less         Op = "<"
	Greater      Op = ">"
	LessEqual    Op = "<="
	GreaterEqual Op = ">="
)

// operators in the order in which they are tried: the longer ones first.
var operators = [...]Op{Equal, NotEqual, Contains, LessEqual, GreaterEqual, Less, Greater}

// Condition is one component of a search expression: Stats.ErrorsSent>0.
type Condition struct {
	Left   []Segment // the parameter, relative to the row; names only, which may follow references
	Op     Op
	Value  string // with percent escapes resolved
	Quoted bool   // the value stood in double quotes: it is a string
}

// Param is the left side as text: "Stats.ErrorsSent".
func (c Condition) Param() string { return join(c.Left) }

// String writes the condition without blanks, with the quotes that it had.
func (c Condition) String() string {
	value := c.Value
	if c.Quoted {
		value = Constant(value)
	}
	return c.Param() + string(c.Op) + value
}

// Constant writes a string as it is in a search expression: in double quotes, with percent escapes.
func Constant(s string) string {
	return `"` + strings.NewReplacer("%", "%25", `"`, "%22").Replace(s) + `"`
}

// Match evaluates the condition for a parameter of type t (that of the items, if isList) with this value. The
// error says why the condition does not fit the type: an operator or a value that the type does not have.
func (c Condition) Match(t ValueType, isList bool, value string) (bool, error) {
	if err := c.fits(t, isList, value); err != nil {
		return false, err
	}
	equal := func(item string) bool { return EqualValues(t, c.Value, item) }
	switch {
	case c.Op == Contains:
		return slices.ContainsFunc(SplitList(value), equal), nil
	case !c.ordered() && isList:
		return EqualLists(t, c.Value, value) == (c.Op == Equal), nil
	case !c.ordered():
		return equal(value) == (c.Op == Equal), nil
	}
	order, err := Compare(t, value, c.Value)
	if err != nil {
		return false, err
	}
	switch c.Op {
	case Less:
		return order < 0, nil
	case Greater:
		return order > 0, nil
	case LessEqual:
		return order <= 0, nil
	}
	return order >= 0, nil
}

// fits checks operator and constant against the type.
func (c Condition) fits(t ValueType, isList bool, value string) error {
	where := "condition " + Quote(c.String())
	isText := t == TypeString || t == TypeBase64 || t == TypeHexBinary || t == TypeUnknown
	isUnknown := t == TypeDateTime && (isUnknownTime(c.Value) || isUnknownTime(value))
	switch {
	case c.Op == Contains && !isList, c.ordered() && isList:
		return Differs(where, Quote(string(c.Op)), "an operator for a %s", describeType(t, isList))
	case c.ordered() && (isText || t == TypeBoolean || isUnknown):
		return Differs(where, Quote(string(c.Op)), "== or != for a %s", describeType(t, isList))
	case c.Quoted && !isText && t != TypeDateTime:
		return Differs(where, Quote(c.Value), "a value without quotes for a %s", describeType(t, isList))
	case !c.Quoted && t == TypeString:
		return Differs(where, Quote(c.Value), "a value in quotes for a %s", describeType(t, isList))
	case isList && c.Op != Contains:
		return at(where, ValidList(t, c.Value))
	}
	return at(where, Valid(t, c.Value))
}

// ordered reports whether the operator needs values that have an order.
func (c Condition) ordered() bool { return c.Op != Equal && c.Op != NotEqual && c.Op != Contains }

func describeType(t ValueType, isList bool) string {
	if isList {
		return "list of " + ValueTypeName(t)
	}
	return ValueTypeName(t)
}

// conditions reads a search expression after its '['.
func (p *pathParser) conditions() ([]Condition, error) {
	var all []Condition
	for {
		if len(all) == MaxConditions {
			return nil, p.want(fmt.Sprintf("at most %d conditions", MaxConditions))
		}
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		switch {
		case p.take("]"):
			return all, nil
		case !p.take("&&"):
			return nil, p.want("'&&' or ']'")
		}
	}
}

// condition reads one component. Blanks around its parts are tolerated (TR-369 R-ARC.9a).
func (p *pathParser) condition() (Condition, error) {
	var c Condition
	p.blanks()
	for {
		start := p.at
		if !p.name() {
			return c, p.want("the name of a parameter")
		}
		s := Segment{Name: p.text[start:p.at]}
		if err := p.follow(&s); err != nil {
			return c, err
		}
		c.Left = append(c.Left, s)
		if len(c.Left) > MaxPathSegments {
			return c, p.want(fmt.Sprintf("at most %d segments", MaxPathSegments))
		}
		if !p.take(".") {
			if s.Follow != 0 {
				return c, p.want("'.' and a name after the reference")
			}
			break
		}
	}
	p.blanks()
	for _, op := range operators {
		if p.take(string(op)) {
			c.Op = op
			break
		}
	}
	if c.Op == "" {
		return c, p.want("one of == != ~= < > <= >=")
	}
	p.blanks()
	err := p.value(&c)
	p.blanks()
	return c, err
}

// value reads a string in quotes, or a number, boolean or time without them.
func (p *pathParser) value(c *Condition) error {
	start := p.at
	if p.take(`"`) {
		end := strings.IndexByte(p.text[p.at:], '"')
		if end < 0 {
			return p.want("a closing '\"'")
		}
		text, ok := unescape(p.text[p.at : p.at+end])
		if !ok {
			return p.want("percent escapes that make text, a percent sign as %25,")
		}
		c.Value, c.Quoted = text, true
		p.at += end + 1
		return nil
	}
	for !p.done() && (isAlphaNum(p.next()) || strings.IndexByte("+-.:", p.next()) >= 0) {
		p.at++
	}
	if c.Value = p.text[start:p.at]; !isBare(c.Value) {
		p.at = start
		return p.want("a string in quotes, a number, true or false")
	}
	return nil
}

// isBare reports whether s may be written without quotes: a boolean, a number or time, hexBinary.
func isBare(s string) bool {
	return s == "true" || s == "false" ||
		s != "" && (isDigit(s[0]) || s[0] == '-' || s[0] == '+' || s[0] == '.' || all(s, isHex))
}

func (p *pathParser) blanks() {
	for p.next() == ' ' || p.next() == '\t' {
		p.at++
	}
}

// unescape resolves percent-encoded bytes, if they are well-formed and make UTF-8.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return "", false
		}
		b.WriteByte(nibble(s[i+1])<<4 | nibble(s[i+2]))
		i += 2
	}
	return b.String(), utf8.ValidString(b.String())
}

func nibble(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
