package plan

import (
	"strconv"

	"github.com/aftershock-chaos/aftershock/harness/plan/yamltree"
	"github.com/aftershock-chaos/aftershock/harness/question"
	"github.com/aftershock-chaos/aftershock/results/claims"
	"github.com/aftershock-chaos/aftershock/schema"
)

// With is the plan with some values set, as Parse sets overrides. Errors are as
// those of Parse.
func (p *Plan) With(overrides []Override) (*Plan, error) {
	current, err := p.currentSource()
	if err != nil {
		return nil, err
	}
	src := *current
	src.tree = current.tree.Clone()
	with, found := src.build(overrides)
	return with, yamltree.Join(found)
}

// checkStudy checks that the study can be decided, and that its runs have the facts.
func (p *Plan) checkStudy() []*Error {
	varied := map[string][]string{}
	for _, v := range p.Vary {
		varied[v.Path] = v.Values
	}
	var found []*Error
	for _, w := range p.Study.Check(varied, p.Find.Asked()) {
		found = append(found, p.wrong(schema.Join("study", w.Path), w.Message, w.Remedy))
	}
	for i, d := range p.Study.Decide {
		for _, fact := range d.Facts() {
			found = append(found, p.checkStudied(schema.Join("study.decide", strconv.Itoa(i)), fact)...)
		}
	}
	for i, fact := range p.Study.Shows {
		if fact != question.MaxRate || p.Study.At == 0 {
			found = append(found, p.checkStudied(schema.Join("study.shows", strconv.Itoa(i)), fact)...)
		}
	}
	return found
}

// checkStudied checks a fact's name. What the runs have of it, the variants tell.
func (p *Plan) checkStudied(path, fact string) []*Error {
	if _, known := claims.LookupFact(fact); known {
		return nil
	}
	message, remedy := p.checkFact(fact)
	if message == "" {
		return nil
	}
	return []*Error{p.wrong(path, message, remedy)}
}

// decision reads one entry of decide.
func (d *decoder) decision(n *yamltree.Node, path string) question.Decision {
	var one question.Decision
	const example = "{claim: writes.lost == 0, expect: always}"
	if d.isEntry(n, path, "a decision", example) {
		d.object(n, path, "a decision", example, d.fields(schema.Slots(question.DecisionKeys(), &one)))
	}
	return one
}
