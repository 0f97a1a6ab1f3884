package model

import (
	"fmt"
	"slices"
	"strings"
)

// Syntax is what TR-181 says about the values of a parameter beside their type (TR-106, 3.2 and A.2.3).
type Syntax struct {
	Item     string     `json:"item,omitempty"`     // of a list, the type of its items; the rest but Count and Whole is about each item
	Count    *Bounds    `json:"count,omitempty"`    // how many items
	Whole    []Bounds   `json:"whole,omitempty"`    // the length of the whole list, in characters
	Brackets bool       `json:"brackets,omitempty"` // items are lists in brackets, of which nothing more is known
	Sizes    []Bounds   `json:"sizes,omitempty"`    // the length, in characters, of base64 and hexBinary in octets; within one of them
	Ranges   []Bounds   `json:"ranges,omitempty"`   // of numbers; within one of them
	Values   []string   `json:"values,omitempty"`   // the enumeration
	Patterns []string   `json:"patterns,omitempty"` // one of these regular expressions matches the whole value
	Default  *string    `json:"default,omitempty"`  // always good
	Refers   *Reference `json:"refers,omitempty"`
	Hidden   bool       `json:"hidden,omitempty"` // reads as an empty value
}

// Reference says what a value that is a path names, or of which parameter's values it is one.
type Reference struct {
	Strong bool     `json:"strong,omitempty"` // what it names is there, or the value is empty
	Rows   bool     `json:"rows,omitempty"`   // it names rows, not parameters
	Below  []string `json:"below,omitempty"`  // the tables whose rows it names, relative to the object; none: any
	Among  string   `json:"among,omitempty"`  // the parameter, relative to the object, whose list has every valid value
	Null   string   `json:"null,omitempty"`   // a value that is valid besides
}

// Bounds are the least and the greatest value or length, each empty for no limit. Its text is min:max.
type Bounds struct{ Min, Max string }

// MarshalText writes min:max.
func (b Bounds) MarshalText() ([]byte, error) { return []byte(b.Min + ":" + b.Max), nil }

// UnmarshalText reads what MarshalText wrote.
func (b *Bounds) UnmarshalText(text []byte) error {
	least, most, ok := strings.Cut(string(text), ":")
	if !ok {
		return fmt.Errorf("bounds %q: want min:max", text)
	}
	b.Min, b.Max = least, most
	return nil
}

func (s *Syntax) isZero() bool {
	return s.Item == "" && s.Count == nil && s.Default == nil && s.Refers == nil && !s.Hidden &&
		len(s.Whole)+len(s.Sizes)+len(s.Ranges)+len(s.Values)+len(s.Patterns) == 0
}

// syntax reads a syntax or a data type and returns its type. A list of anything is a string (TR-106, 3.2.3).
func (b *builder) syntax(d *document, e *element, s *Syntax) (string, error) {
	kind := ""
	if base := e.get("base"); base != "" && e.name == "dataType" {
		var err error
		if kind, err = b.dataType(d, base, e, s); err != nil {
			return "", err
		}
	}
	s.facets(e)
	list := false
	for _, k := range e.kids {
		switch {
		case k.name == "list":
			list = true
			s.list(k)
		case k.name == "default":
			value := k.get("value")
			s.Default = &value
		case isType(k.name):
			kind = k.name
			s.facets(k)
		case k.name == "dataType":
			name := k.get("ref")
			if name == "" {
				name = k.get("base")
			}
			var err error
			if kind, err = b.dataType(d, name, k, s); err != nil {
				return "", err
			}
			s.facets(k)
		}
	}
	if list {
		s.Item, kind = kind, "string"
	}
	return kind, nil
}

func (b *builder) dataType(d *document, name string, at *element, s *Syntax) (string, error) {
	if isType(name) {
		return name, nil
	}
	from, e, err := d.lookup("dataType "+name, at)
	if err != nil {
		return "", err
	}
	if err := b.enter(at); err != nil {
		return "", err
	}
	defer func() { b.nested-- }()
	return b.syntax(from, e, s)
}

// list reads what a list is bounded by.
func (s *Syntax) list(e *element) {
	if count := (Bounds{e.get("minItems"), e.get("maxItems")}); count.bounded() {
		s.Count = &count
	}
	s.Brackets = e.get("nestedBrackets") != ""
	for _, k := range e.kids {
		if k.name == "size" {
			s.Whole = append(s.Whole, Bounds{k.get("minLength"), k.get("maxLength")})
		}
	}
}

func (b Bounds) bounded() bool { return b.Min != "" || b.Max != "unbounded" && b.Max != "" }

// facets reads the facets of a type. Those of a derived type count instead of the same ones of its base.
func (s *Syntax) facets(e *element) {
	var found Syntax
	for _, k := range e.kids {
		switch k.name {
		case "size":
			found.Sizes = append(found.Sizes, Bounds{k.get("minLength"), k.get("maxLength")})
		case "range":
			found.Ranges = append(found.Ranges, Bounds{k.get("minInclusive"), k.get("maxInclusive")})
		case "enumeration":
			found.Values = append(found.Values, k.get("value"))
		case "pattern":
			if !isTemplate(k.get("value")) {
				found.Patterns = append(found.Patterns, k.get("value"))
			}
		case "pathRef":
			found.Refers = &Reference{Strong: k.get("refType") == "strong", Rows: k.get("targetType") == "row", Below: words(k.get("targetParent"))}
		case "enumerationRef":
			found.Refers = &Reference{Among: k.get("targetParam"), Null: k.get("nullValue")}
		}
	}
	replace(&s.Sizes, found.Sizes)
	replace(&s.Ranges, found.Ranges)
	replace(&s.Values, found.Values)
	replace(&s.Patterns, found.Patterns)
	if found.Refers != nil {
		s.Refers = found.Refers
	}
}

// isTemplate reports whether a pattern is no regular expression but says what a date looks like: YYYYMMDD.HHMMSS of LMAP's CycleNumber.
func isTemplate(pattern string) bool { return strings.Trim(pattern, "YMDHS.") == "" && pattern != "" }

func replace[T any](old *[]T, with []T) {
	if len(with) > 0 {
		*old = slices.Clone(with)
	}
}
