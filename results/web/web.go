// Package web is what the pages of results share: their style, the charts' library, the
// scripts that all charts need, and the policy by which a page lets nothing else run.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
)

//go:embed assets
var assets embed.FS

// Parts are a page's styles and scripts, in their order, and the policy that names them
// by their digests.
type Parts struct {
	Styles  []template.CSS
	Scripts []template.JS
}

// Base is the style that all pages have.
func Base() (template.CSS, error) {
	text, err := assets.ReadFile("assets/base.css")
	return template.CSS(text), err
}

// Told are the parts of a page that draws nothing: the base style, and the page's own
// files, joined.
func Told(own fs.FS, styles, scripts []string) (*Parts, error) {
	p := &Parts{}
	if err := p.style(nil, own, styles); err != nil {
		return nil, err
	}
	return p, p.script(nil, own, scripts)
}

// Drawn are the parts of a page with charts. Its data is JSON in an element run-data,
// which the scripts have as R.run.
func Drawn(own fs.FS, styles, scripts []string) (*Parts, error) {
	p := &Parts{}
	plot, err := read(assets, "assets/uPlot/uPlot.min.css")
	if err != nil {
		return nil, err
	}
	p.Styles = append(p.Styles, template.CSS(plot))
	if err := p.style([]string{"charts.css"}, own, styles); err != nil {
		return nil, err
	}
	licence, err := read(assets, "assets/uPlot/LICENSE")
	if err != nil {
		return nil, err
	}
	code, err := read(assets, "assets/uPlot/uPlot.iife.min.js")
	if err != nil {
		return nil, err
	}
	p.Scripts = append(p.Scripts, template.JS("/*\n"+licence+"*/\n"+code)) // the licence goes where the code goes
	return p, p.script([]string{"begin.js", "axes.js", "choice.js"}, own, scripts)
}

func (p *Parts) style(shared []string, own fs.FS, names []string) error {
	text, err := joined(append([]string{"base.css"}, shared...), own, names)
	p.Styles = append(p.Styles, template.CSS(text))
	return err
}

func (p *Parts) script(shared []string, own fs.FS, names []string) error {
	text, err := joined(shared, own, names)
	if text != "" {
		p.Scripts = append(p.Scripts, template.JS(text))
	}
	return err
}

// joined are files of ours, then the page's own.
func joined(shared []string, own fs.FS, names []string) (string, error) {
	var b strings.Builder
	for _, name := range shared {
		text, err := read(assets, "assets/"+name)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	for _, name := range names {
		text, err := read(own, "assets/"+name)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func read(from fs.FS, name string) (string, error) {
	text, err := fs.ReadFile(from, name)
	if err != nil {
		return "", fmt.Errorf("read a page's assets: %w", err)
	}
	return string(text), nil
}

// Policy is the page's Content-Security-Policy: its own styles and scripts, and nothing
// else.
func (p *Parts) Policy() string {
	styles, scripts := make([]string, len(p.Styles)), make([]string, len(p.Scripts))
	for i, s := range p.Styles {
		styles[i] = digest(string(s))
	}
	for i, s := range p.Scripts {
		scripts[i] = digest(string(s))
	}
	if len(scripts) == 0 {
		scripts = []string{"'none'"}
	}
	return "default-src 'none'; style-src " + strings.Join(styles, " ") + "; script-src " + strings.Join(scripts, " ") + "; base-uri 'none'; form-action 'none'"
}

// digest is a style or a script as a Content-Security-Policy names it.
func digest(text string) string {
	hash := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}
