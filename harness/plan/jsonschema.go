package plan

import (
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/schema/jsonform"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// JSONSchema is the shape of a plan for editors and other tools. It refuses
// what cannot be a plan by its keys and values; what a plan means (claims,
// nodes, times that do not fit) only Parse can say.
func JSONSchema(words Words) *jsonschema.Schema {
	fields := schema.Fields(planKeys(words))
	root := jsonform.Map(fields)
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title, root.Description = "Aftershock plan", "One run of chaos against a replicated system; see `aftershock list plan`."
	root.Type, root.Types = "object", nil
	root.AnyOf = []*jsonschema.Schema{jsonform.Required(fields), {Required: []string{"vary"}}} // what is varied need not be there
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
	root.Properties["find"] = &jsonschema.Schema{Description: find.Description, AnyOf: []*jsonschema.Schema{jsonform.Constant(findShort), find}}
	addTargets(root.Properties["target"], words.Targets)
	return root
}

// addTargets names the targets, and gives each its own options.
func addTargets(target *jsonschema.Schema, known []targets.Target) {
	for _, t := range known {
		info := t.Info()
		target.Properties["name"].Enum = append(target.Properties["name"].Enum, info.Name)
		options := jsonform.Map(optionFields(info))
		target.AllOf = append(target.AllOf, &jsonschema.Schema{
			If:   &jsonschema.Schema{Required: []string{"name"}, Properties: map[string]*jsonschema.Schema{"name": jsonform.Constant(info.Name)}},
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
		own := jsonform.Map(schema.Fields(workloadKeys(t)))
		own.Type, own.Types = "object", nil
		all.AllOf = append(all.AllOf, &jsonschema.Schema{
			If: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
				{Required: []string{"type"}, Properties: map[string]*jsonschema.Schema{"type": jsonform.Constant(t.Name)}},
				{Required: []string{"name"}, Properties: map[string]*jsonschema.Schema{"name": jsonform.Constant(t.Name)}, Not: &jsonschema.Schema{Required: []string{"type"}}},
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
	all := jsonform.Map(append(fields, actionFields()...))
	all.Type, all.Types = "object", nil
	return all
}
