package usp

import (
	"strconv"
	"strings"
)

// Bounds of a path. The longest path of TR-181 has less than 200 characters and 20 segments.
const (
	MaxPathLength   = 8192 // bytes
	MaxPathSegments = 128
	MaxConditions   = 32 // in one search expression
)

// PathKind says what a path addresses (TR-369, section "Path Names").
type PathKind uint8

const (
	ObjectPath    PathKind = iota // "Device.IP." or a table "Device.IP.Interface."
	InstancePath                  // one or more rows: "Device.IP.Interface.1.", "….*.", "….[Name=="lo"]."
	ParameterPath                 // "Device.IP.Interface.1.Status"
	CommandPath                   // "Device.Reboot()"
	EventPath                     // "Device.Boot!"
)

// String is the name of the kind, for messages.
func (k PathKind) String() string {
	return [...]string{"object path", "object instance path", "parameter path", "command path", "event path"}[k]
}

// SegmentKind says what is between two dots.
type SegmentKind uint8

const (
	NameSegment        SegmentKind = iota // an object, parameter, command or event by its name
	NumberSegment                         // a row by its instance number
	WildcardSegment                       // "*": every row
	SearchSegment                         // "[…]": the rows that meet the conditions, or one row by its unique key
	PlaceholderSegment                    // "{i}": any row, in the supported data model only
)

// FollowAll is the Segment.Follow of "#*+": every item of the reference list.
const FollowAll = -1

// Segment is what is between two dots.
type Segment struct {
	Kind       SegmentKind
	Name       string      // of a NameSegment, without "()" or "!"
	Number     int         // of a NumberSegment, at least 1
	Conditions []Condition // of a SearchSegment, at least one; all must hold
	// Follow is set when a NameSegment is a parameter whose value, a path, takes the place of everything up to here:
	// 1 for "Ref+" and "Ref#1+", n for "Ref#n+", FollowAll for "Ref#*+"; otherwise 0.
	Follow int
}

// SplitName divides the path of a parameter, command or event into its object, with the dot, and its name.
func SplitName(path string) (object, name string) {
	at := strings.LastIndexByte(path, '.') + 1
	return path[:at], path[at:]
}

// Path is a path name taken apart: a row follows the name of its table as a segment of its own.
type Path struct {
	Kind     PathKind
	Segments []Segment
}

// HasWildcard reports whether a "*" stands for rows.
func (p Path) HasWildcard() bool { return p.has(WildcardSegment) }

// IsSearch reports whether rows are found by wildcard or expression. An expression may still turn out to be a unique
// key, which only the data model knows; see Segment.Key.
func (p Path) IsSearch() bool { return p.HasWildcard() || p.has(SearchSegment) }

// Follows reports whether a reference is followed on the way.
func (p Path) Follows() bool {
	for _, s := range p.Segments {
		if s.Follow != 0 {
			return true
		}
	}
	return false
}

// ByNumber reports whether every row is addressed by instance number, as the paths that an Agent reports
// must be (TR-369 R-MSG.3): no wildcard, no expression, no reference following, no placeholder.
func (p Path) ByNumber() bool { return !p.IsSearch() && !p.Follows() && !p.has(PlaceholderSegment) }

// IsRowOf reports whether the path is that of one row, by number, of a table. Where the table is searched for, its supported path counts.
func (p Path) IsRowOf(table Path) bool {
	same := p.Parent().String() == table.String() || table.IsSearch() && p.Parent().Schema() == table.Schema()
	return p.Kind == InstancePath && p.Last().Kind == NumberSegment && p.ByNumber() && same
}

func (p Path) has(kind SegmentKind) bool {
	for _, s := range p.Segments {
		if s.Kind == kind {
			return true
		}
	}
	return false
}

// String writes the segment as it is in a path, without dots, "()" and "!".
func (s Segment) String() string {
	switch s.Kind {
	case NumberSegment:
		return strconv.Itoa(s.Number)
	case WildcardSegment:
		return "*"
	case PlaceholderSegment:
		return "{i}"
	case SearchSegment:
		conditions := make([]string, len(s.Conditions))
		for i, c := range s.Conditions {
			conditions[i] = c.String()
		}
		return "[" + strings.Join(conditions, "&&") + "]"
	}
	switch s.Follow {
	case 0:
		return s.Name
	case 1:
		return s.Name + "+"
	case FollowAll:
		return s.Name + "#*+"
	}
	return s.Name + "#" + strconv.Itoa(s.Follow) + "+"
}

// String writes the path in its canonical form: no blanks in expressions, "Ref+" for "Ref#1+". Two paths that are
// written differently and mean the same by grammar alone have the same String.
func (p Path) String() string {
	text := join(p.Segments)
	switch p.Kind {
	case ParameterPath:
		return text
	case CommandPath:
		return text + "()"
	case EventPath:
		return text + "!"
	}
	return text + "."
}

// Schema writes the path in the notation of the supported data model: each row is "{i}". It is no help with
// reference following, where the rest of the path belongs to another object.
func (p Path) Schema() string {
	schema := Path{p.Kind, append([]Segment(nil), p.Segments...)}
	for i, s := range schema.Segments {
		if s.Kind != NameSegment {
			schema.Segments[i] = Segment{Kind: PlaceholderSegment}
		}
	}
	return schema.String()
}

// Parent is the path of the object, or row, or table that holds the last segment. Of a path with one segment it
// is an ObjectPath without segments, whose String is ".".
func (p Path) Parent() Path {
	if len(p.Segments) == 0 {
		return p
	}
	rest := p.Segments[:len(p.Segments)-1]
	kind := ObjectPath
	if len(rest) > 0 && rest[len(rest)-1].Kind != NameSegment {
		kind = InstancePath
	}
	return Path{kind, rest}
}

// Last is the last segment; a zero Segment if there is none.
func (p Path) Last() Segment {
	if len(p.Segments) == 0 {
		return Segment{}
	}
	return p.Segments[len(p.Segments)-1]
}

func join(segments []Segment) string {
	texts := make([]string, len(segments))
	for i, s := range segments {
		texts[i] = s.String()
	}
	return strings.Join(texts, ".")
}
