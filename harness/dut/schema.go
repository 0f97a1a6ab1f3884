package dut

import (
	"bytes"
	"encoding/json"

	"github.com/usptest/usptest/harness/plan"
)

// Schema is what a value of a DUT file may be, in the words of JSON Schema 2020-12. It comes from the very table that the file is read
// with.
type Schema struct {
	Text        string      `json:"description,omitempty"`
	Type        string      `json:"type,omitempty"`
	Const       any         `json:"const,omitempty"`
	Enum        []string    `json:"enum,omitempty"`
	Minimum     *int        `json:"minimum,omitempty"`
	Maximum     *int        `json:"maximum,omitempty"`
	Pattern     string      `json:"pattern,omitempty"`
	Default     any         `json:"default,omitempty"`
	Items       *Schema     `json:"items,omitempty"`
	MinItems    int         `json:"minItems,omitempty"`
	UniqueItems bool        `json:"uniqueItems,omitempty"`
	AnyOf       []Schema    `json:"anyOf,omitempty"`
	AllOf       []condition `json:"allOf,omitempty"`
	// Keys are those of a mapping whose keys are known, in the order in which a vendor meets them.
	Keys []Key `json:"-"`
	// Values is what is under any key of a mapping that has keys of the vendor's choice.
	Values *Schema `json:"-"`
}

// Key is a key of a mapping.
type Key struct {
	Name     string
	Required bool
	Schema
}

// condition is one of the rules of a mapping: if its values are so, then some keys are required and others have no place.
type condition struct {
	If   any `json:"if"`
	Then any `json:"then"`
}

// MarshalJSON writes a mapping with the words that JSON Schema has for its keys.
func (s Schema) MarshalJSON() ([]byte, error) {
	type plain Schema
	out := struct {
		plain
		Properties map[string]Schema `json:"properties,omitempty"`
		Required   []string          `json:"required,omitempty"`
		Additional any               `json:"additionalProperties,omitempty"`
	}{plain: plain(s), Properties: map[string]Schema{}}
	if s.Values != nil {
		out.Additional = s.Values
	}
	for _, k := range s.Keys {
		out.Properties[k.Name] = k.Schema
		if k.Required {
			out.Required = append(out.Required, k.Name)
		}
		out.Additional = false
	}
	return json.Marshal(out)
}

// SchemaID names the schema of DUT files.
const SchemaID = "urn:usptest:dut"

// FileSchema is what a DUT file may be, with the cases and features of a plan.
func FileSchema(p *plan.Plan) Schema {
	d := &fileDecoder{plan: p, f: &File{}}
	return d.file().schema
}

// SchemaDocument is FileSchema as a JSON file that editors complete and check DUT files with.
func SchemaDocument(p *plan.Plan) ([]byte, error) {
	inner, err := json.Marshal(FileSchema(p))
	if err != nil {
		return nil, err
	}
	head := []byte(`{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "` + SchemaID + `", "title": "DUT file of usptest",`)
	var out bytes.Buffer
	err = json.Indent(&out, append(head, inner[1:]...), "", "\t")
	out.WriteByte('\n')
	return out.Bytes(), err
}
