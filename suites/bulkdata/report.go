package bulkdata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/usptest/usptest/harness/usp"
)

// encoding reads transfers of one EncodingType.
type encoding interface {
	// wellFormed says whether data can be read at all.
	wellFormed(data []byte) error
	// reports returns the report instances in data: what was reported, without the time of collection.
	reports(data []byte) ([]report, error)
}

// report is one report instance: values by name. Nested names are joined by dots.
type report map[string]value

// value is a reported value as text.
type value struct {
	text   string
	quoted bool // it was a JSON string
}

func (r report) names() []string { return slices.Collect(maps.Keys(r)) }

// What a report may hold: an honest one is short, with a few values, few levels deep.
const (
	maxReport = 1 << 20 // bytes
	maxValues = 10_000
	maxDepth  = 32
)

// errTooMuch is the fault of a report beyond the bounds.
var errTooMuch = errors.New("longer, with more values or deeper nested than a report of one parameter can be")

// jsonEncoding reads both layouts of JSON, ObjectHierarchy and NameValuePair: one is the other with names in several pieces. byLetter says that
// the time of collection is a value like any other.
type jsonEncoding struct{ byLetter bool }

func (jsonEncoding) wellFormed(data []byte) error {
	if len(data) > maxReport {
		return errTooMuch
	}
	var whole json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(&whole)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the JSON value")
	}
	got := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		got = "it ends too early"
	}
	return &usp.Mismatch{Where: "JSON", Want: "one value that can be parsed", Got: fmt.Sprintf("%s, in %s", got, usp.Quote(string(data)))}
}

func (e jsonEncoding) reports(data []byte) ([]report, error) {
	if err := e.wellFormed(data); err != nil {
		return nil, err
	}
	var body map[string]json.RawMessage
	var instances []map[string]any
	err := json.Unmarshal(data, &body)
	if err == nil && body["Report"] == nil {
		err = errors.New("no Report")
	}
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(body["Report"]))
		decoder.UseNumber()
		err = decoder.Decode(&instances)
	}
	if err != nil {
		return nil, &usp.Mismatch{Where: "layout of the JSON", Want: `an object with an array of objects, {"Report":[{…}]}`, Got: usp.Quote(string(data))}
	}
	var out []report
	for _, instance := range instances {
		if !e.byLetter {
			delete(instance, "CollectionTime")
		}
		r := report{}
		if err := r.flatten("", instance, 1); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// flatten adds what a JSON object holds, with the names of all objects around it.
func (r report) flatten(prefix string, object map[string]any, depth int) error {
	if depth > maxDepth || len(r)+len(object) > maxValues {
		return errTooMuch
	}
	for name, v := range object {
		switch v := v.(type) {
		case map[string]any:
			if err := r.flatten(prefix+name+".", v, depth+1); err != nil {
				return err
			}
		case string:
			r[prefix+name] = value{v, true}
		case json.Number:
			r[prefix+name] = value{text: v.String()}
		default:
			r[prefix+name] = value{text: fmt.Sprint(v)}
		}
	}
	return nil
}
