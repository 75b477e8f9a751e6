package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// JSONSchema is the shape of a plan for editors and other tools. It refuses
// what cannot be a plan by its keys and values; what a plan means (claims,
// nodes, times that do not fit) only Parse can say.
func JSONSchema(words Words) *jsonschema.Schema {
	fields := schema.Fields(planKeys(words))
	root := mapSchema(fields)
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title, root.Description = "Aftershock plan", "One run of chaos against a replicated system; see `aftershock list plan`."
	root.Type, root.Types = "object", nil
	root.AnyOf = []*jsonschema.Schema{required(fields), {Required: []string{"vary"}}} // what is varied need not be there
	workload, fault := workloadSchema(), faultSchema()
	root.Defs = map[string]*jsonschema.Schema{"workload": workload, "fault": fault, "pick": actionSchema(schema.Fields(pickKeys()))}
	root.Properties["workloads"].Items = &jsonschema.Schema{Ref: "#/$defs/workload"}
	root.Properties["faults"].Items = &jsonschema.Schema{Ref: "#/$defs/fault"}
	fault.Properties["pick"].Items = &jsonschema.Schema{Ref: "#/$defs/pick"}
	values := func() *jsonschema.Schema {
		return &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Types: []string{"string", "number", "boolean"}},
			MinItems: jsonschema.Ptr(1), MaxItems: jsonschema.Ptr(maxVariants)}
	}
	root.Properties["vary"].AdditionalProperties = values()
	root.Properties["vary"].Properties = map[string]*jsonschema.Schema{zipKey: {Type: "object", AdditionalProperties: values(),
		Description: "lists of equal length, which are walked together"}}
	find := root.Properties["find"]
	find.Properties["max"].Enum = []any{"rate"}
	root.Properties["find"] = &jsonschema.Schema{Description: find.Description, AnyOf: []*jsonschema.Schema{constant(findShort), find}}
	addTargets(root.Properties["target"], words.Targets)
	return root
}

// required is what has to be there, in the maps among the keys too.
func required(fields []schema.Field) *jsonschema.Schema {
	s := &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{}}
	for _, f := range fields {
		if !f.Required {
			continue
		}
		s.Required = append(s.Required, f.Name)
		if len(f.Fields) > 0 {
			s.Properties[f.Name] = required(f.Fields)
		}
	}
	return s
}

// addTargets names the targets, and gives each its own options.
func addTargets(target *jsonschema.Schema, known []targets.Target) {
	for _, t := range known {
		info := t.Info()
		target.Properties["name"].Enum = append(target.Properties["name"].Enum, info.Name)
		options := mapSchema(optionFields(info))
		target.AllOf = append(target.AllOf, &jsonschema.Schema{
			If:   &jsonschema.Schema{Required: []string{"name"}, Properties: map[string]*jsonschema.Schema{"name": constant(info.Name)}},
			Then: &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"options": options}},
		})
	}
}

// optionFields are the keys of a target's options.
func optionFields(info targets.Info) []schema.Field {
	fields := slices.Clone(info.Options)
	for i, f := range fields {
		switch {
		case len(f.Words) > 0:
			fields[i].Type = schema.Word
		case f.Type == "":
			fields[i].Type = schema.Text
		}
	}
	return fields
}

// workloadSchema tells the types apart by type or, without one, by name.
func workloadSchema() *jsonschema.Schema {
	types := make([]any, 0, 8)
	all := &jsonschema.Schema{Type: "object"}
	for _, t := range workloads.Types() {
		types = append(types, t.Name)
		own := mapSchema(schema.Fields(workloadKeys(t)))
		own.Type, own.Types = "object", nil
		all.AllOf = append(all.AllOf, &jsonschema.Schema{
			If: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
				{Required: []string{"type"}, Properties: map[string]*jsonschema.Schema{"type": constant(t.Name)}},
				{Required: []string{"name"}, Properties: map[string]*jsonschema.Schema{"name": constant(t.Name)}, Not: &jsonschema.Schema{Required: []string{"type"}}},
			}},
			Then: own,
		})
	}
	all.AnyOf = []*jsonschema.Schema{
		{Required: []string{"type"}, Properties: map[string]*jsonschema.Schema{"type": {Enum: types}}},
		{Required: []string{"name"}, Properties: map[string]*jsonschema.Schema{"name": {Enum: types}}, Not: &jsonschema.Schema{Required: []string{"type"}}},
	}
	return all
}

// faultSchema is one thing at a time, once or again and again, or picks at random instants.
func faultSchema() *jsonschema.Schema {
	all := actionSchema(schema.Fields(faultKeys()))
	once := all.OneOf
	all.OneOf = []*jsonschema.Schema{
		{Required: []string{"at"}, OneOf: once, Not: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Required: []string{"every"}}, {Required: []string{"pick"}}}}},
		{Required: []string{"every"}, OneOf: once, Not: &jsonschema.Schema{Required: []string{"pick"}}},
		{Required: []string{"every", "pick"}, Not: &jsonschema.Schema{AnyOf: once}},
	}
	return all
}

// actionSchema adds to some keys those of what a fault does.
func actionSchema(fields []schema.Field) *jsonschema.Schema {
	all := mapSchema(append(fields, actionFields()...))
	all.Type, all.Types = "object", nil
	return all
}

// mapSchema is a map with exactly these keys, or nothing.
func mapSchema(fields []schema.Field) *jsonschema.Schema {
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
		return mapSchema(f.Fields)
	case f.Type == schema.Map && len(f.Words) > 0:
		var values []schema.Field
		for _, word := range f.Words {
			values = append(values, schema.Field{Name: word, Type: f.Of, Min: f.Min, Max: f.Max})
		}
		return mapSchema(values)
	case f.Type == schema.Map:
		return &jsonschema.Schema{Types: []string{"object", "null"}}
	case f.Type == schema.List:
		s := &jsonschema.Schema{Types: []string{"array", "null"}, MaxItems: jsonschema.Ptr(int(f.Max))}
		if f.Of != "" {
			s.Items = typeSchema(schema.Field{Type: f.Of})
		}
		if len(f.Fields) > 0 {
			s.Items = mapSchema(f.Fields)
			s.Items.Type, s.Items.Types, s.Items.Required = "object", nil, required(f.Fields).Required
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
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern}
	case f.Type == schema.Duration:
		return &jsonschema.Schema{Types: []string{"string", "integer"}, Pattern: durationPattern, Minimum: jsonschema.Ptr(0.), Maximum: jsonschema.Ptr(0.)}
	case f.Type == schema.Rate && len(f.Words) > 0:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{wordSchema(f), typeSchema(schema.Field{Type: f.Type, Min: f.Min, Max: f.Max})}}
	case f.Type == schema.Rate:
		return &jsonschema.Schema{Types: []string{"string", "number"}, Pattern: ratePattern, Minimum: &f.Min, Maximum: &f.Max}
	case f.Type == schema.Size:
		return &jsonschema.Schema{Type: "string", Pattern: sizePattern}
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
	durationPattern = `^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|^[+-]?0$`
	ratePattern     = `^\s*\+?[0-9.]+([eE][+-]?[0-9]+)?\s*(/\s*[sm]\s*)?$`
	sizePattern     = `^[0-9]+(\.[0-9]*)?\s*[kKmMgGtTpP]?[iI]?[bB]?$`
	percentPattern  = `^\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*%\s*$`
	nodePattern     = `^n[1-9][0-9]*$`
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

func constant(word string) *jsonschema.Schema {
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
