// Package jsonform writes the keys of a plan as JSON Schema.
package jsonform

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/aftershock-chaos/aftershock/schema"
)

// Required is what has to be there, in the maps among the keys too.
func Required(fields []schema.Field) *jsonschema.Schema {
	s := &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{}}
	for _, f := range fields {
		if !f.Required {
			continue
		}
		s.Required = append(s.Required, f.Name)
		if len(f.Fields) > 0 {
			s.Properties[f.Name] = Required(f.Fields)
		}
	}
	return s
}

// Map is a map with exactly these keys, or nothing.
func Map(fields []schema.Field) *jsonschema.Schema {
	s := &jsonschema.Schema{Types: []string{"object", "null"}, Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: never()}
	for _, f := range fields {
		s.Properties[f.Name] = valueSchema(f)
		s.PropertyOrder = append(s.PropertyOrder, f.Name)
		if f.Either {
			s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{f.Name}})
		}
	}
	return s
}

func valueSchema(f schema.Field) *jsonschema.Schema {
	s := typeSchema(f)
	s.Description = f.Meaning
	if f.Default != "" && f.Type != schema.Map {
		s.Default = defaultJSON(f)
	}
	return s
}

// typeSchema is what a value can be. YAML reads a word like 5 or true as a
// number or a flag, so a text can be one of these too.
func typeSchema(f schema.Field) *jsonschema.Schema {
	switch {
	case f.Type == schema.Map && f.Short != "":
		whole, single := f, f.Fields[slices.IndexFunc(f.Fields, func(one schema.Field) bool { return one.Name == f.Short })]
		whole.Short = ""
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{typeSchema(single), typeSchema(whole)}}
	case f.Type == schema.Map && len(f.Fields) > 0:
		return Map(f.Fields)
	case f.Type == schema.Map && len(f.Words) > 0:
		var values []schema.Field
		for _, word := range f.Words {
			values = append(values, schema.Field{Name: word, Type: f.Of, Min: f.Min, Max: f.Max})
		}
		return Map(values)
	case f.Type == schema.Map:
		return &jsonschema.Schema{Types: []string{"object", "null"}}
	case f.Type == schema.List:
		s := &jsonschema.Schema{Types: []string{"array", "null"}, MaxItems: jsonschema.Ptr(int(f.Max))}
		if f.Of != "" {
			s.Items = typeSchema(schema.Field{Type: f.Of})
		}
		if len(f.Fields) > 0 {
			s.Items = Map(f.Fields)
			s.Items.Type, s.Items.Types, s.Items.Required = "object", nil, Required(f.Fields).Required
		}
		return s
	case f.Type == schema.Name:
		return &jsonschema.Schema{Types: []string{"string", "integer"}, Pattern: schema.NamePattern, MaxLength: jsonschema.Ptr(schema.MaxName)}
	case f.Type == schema.Word && len(f.Words) > 0:
		return wordSchema(f)
	case f.Type == schema.Whole:
		s := &jsonschema.Schema{Type: "integer", Minimum: &f.Min}
		if f.Max > 0 {
			s.Maximum = &f.Max
		}
		return s
	case f.Type == schema.Duration && f.Min > 0:
		return &jsonschema.Schema{Type: "string", Pattern: durations(f)}
	case f.Type == schema.Duration:
		return &jsonschema.Schema{Types: []string{"string", "integer"}, Pattern: durations(f), Minimum: jsonschema.Ptr(0.), Maximum: jsonschema.Ptr(0.)}
	case f.Type == schema.Rate && len(f.Words) > 0:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{wordSchema(f), typeSchema(schema.Field{Type: f.Type, Min: f.Min, Max: f.Max})}}
	case f.Type == schema.Rate:
		return &jsonschema.Schema{Types: []string{"string", "number"}, Pattern: ratePattern, Minimum: &f.Min, Maximum: &f.Max}
	case f.Type == schema.Size:
		return &jsonschema.Schema{Type: "string", Pattern: sizePattern}
	case f.Type == schema.Bandwidth:
		return &jsonschema.Schema{Type: "string", Pattern: bandwidthPattern}
	case f.Type == schema.Number:
		return &jsonschema.Schema{Type: "number", Minimum: &f.Min, Maximum: &f.Max}
	case f.Type == schema.Percent:
		return &jsonschema.Schema{Type: "string", Pattern: percentPattern}
	case f.Type == schema.Flag:
		return &jsonschema.Schema{Type: "boolean"}
	}
	return &jsonschema.Schema{Types: []string{"string", "number", "boolean"}, MaxLength: jsonschema.Ptr(schema.MaxText)}
}

// The patterns are ECMA's and Go's alike, and do not look at bounds.
const (
	signedPattern    = `^[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|^[+-]?0$` // of durations that can be negative
	durationPattern  = `^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|^[+-]?0$`
	ratePattern      = `^\s*\+?[0-9.]+([eE][+-]?[0-9]+)?\s*(/\s*[sm]\s*)?$`
	sizePattern      = `^[0-9]+(\.[0-9]*)?\s*[kKmMgGtTpP]?[iI]?[bB]?$`
	bandwidthPattern = `^\s*[0-9]+(\.[0-9]*)?\s*[kKmMgG]?[bB][iI][tT]\s*$`
	percentPattern   = `^\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*%\s*$`
	// A launched node's name, or an attached one's, which has no form of its own: what has
	// neither a digit nor a mark in it is taken for a word that is misspelt.
	nodePattern = `^(n[1-9][0-9]*|[A-Za-z0-9][A-Za-z0-9_.:-]*[0-9_.:-][A-Za-z0-9_.:-]*)$`
)

func wordSchema(f schema.Field) *jsonschema.Schema {
	s := &jsonschema.Schema{}
	for _, word := range f.Words {
		s.Enum = append(s.Enum, word)
		if number, err := strconv.Atoi(word); err == nil {
			s.Enum = append(s.Enum, number)
		}
		if flag, err := strconv.ParseBool(word); err == nil && fmt.Sprint(flag) == word {
			s.Enum = append(s.Enum, flag)
		}
	}
	if !f.Names {
		return s
	}
	either := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "string", Pattern: nodePattern}}}
	if f.Default != "" { // what has a default can be left open
		either.AnyOf = append(either.AnyOf, &jsonschema.Schema{Type: "null"})
	}
	return either
}

// Constant is the schema that one word satisfies.
func Constant(word string) *jsonschema.Schema {
	var c any = word
	return &jsonschema.Schema{Const: &c}
}

// never is the schema that nothing satisfies.
func never() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

// defaultJSON is a default as JSON has it: a number bare, all else a text.
func defaultJSON(f schema.Field) json.RawMessage {
	if f.Type == schema.Whole || f.Type == schema.Number {
		return json.RawMessage(f.Default)
	}
	text, _ := json.Marshal(f.Default) // a string can always be written
	return text
}

// durations is the pattern of a field's durations.
func durations(f schema.Field) string {
	if f.Min < 0 {
		return signedPattern
	}
	return durationPattern
}
