package site

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// What other pages may do with the site's: nothing.
var headers = map[string]string{
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cache-Control":                "no-cache",
}

const (
	// framed is added to the policy that stands in each page: what a page cannot say itself.
	framed = "frame-ancestors 'none'"
	// apart is the policy for porcupine's views, which have scripts of their own: they run
	// in an origin of their own, without a network.
	apart = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// handler serves a folder of runs.
type handler struct {
	folder *Folder
	name   string // of this machine, as its address was given

	reports sync.Mutex // one is made at a time: a history may take much memory
}

// Handler serves the pages of a folder of runs, and changes nothing. It answers only to
// IP addresses, localhost and the given name, so that no page of another site can reach
// it through a name that leads here.
func Handler(f *Folder, name string) http.Handler { return &handler{folder: f, name: name} }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Security-Policy", framed)
	switch {
	case !h.ours(r.Host):
		http.Error(w, "this server answers to its IP address and to localhost only", http.StatusMisdirectedRequest)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this server changes nothing", http.StatusMethodNotAllowed)
		return
	}
	content, err := h.folder.Read(r.Context())
	if err != nil {
		http.Error(w, h.folder.words(err), http.StatusInternalServerError)
		return
	}
	kind, write := h.page(r.URL.Path, content)
	if write == nil {
		http.NotFound(w, r)
		return
	}
	var body bytes.Buffer
	if err := write(&body); err != nil {
		http.Error(w, h.folder.words(err), http.StatusInternalServerError)
		return
	}
	if kind == drawing {
		kind = htmlText
		w.Header().Set("Content-Security-Policy", apart)
	}
	w.Header().Set("Content-Type", kind)
	_, _ = body.WriteTo(w) // nobody listens any more
}

// ours tells whether a Host header names this server.
func (h *handler) ours(host string) bool {
	name := host
	if bare, _, err := net.SplitHostPort(host); err == nil {
		name = bare
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	return net.ParseIP(name) != nil || strings.EqualFold(name, "localhost") || h.name != "" && strings.EqualFold(name, h.name)
}

// The kinds of what is served.
const (
	htmlText  = "text/html; charset=utf-8"
	plainText = "text/plain; charset=utf-8"
	drawing   = "drawing"
)

// page finds what writes the page of a path; nil: there is none. A path that names a run
// is looked up among the runs: it never becomes a path of the file system.
func (h *handler) page(path string, c *Content) (kind string, write func(io.Writer) error) {
	runs := c.Runs
	path = strings.TrimPrefix(path, "/")
	if id, ok := strings.CutPrefix(path, plansDir+"/"); ok {
		if of := ofPlan(runs, strings.TrimSuffix(id, ".html")); len(of) > 0 {
			return htmlText, func(w io.Writer) error { return writeTrends(w, of) }
		}
		return "", nil
	}
	if rest, ok := strings.CutPrefix(path, runsDir+"/"); ok {
		name, file := splitName(rest)
		if at := slices.IndexFunc(runs, func(r *Run) bool { return r.Name == name && r.Verdict != nil }); at >= 0 {
			return h.file(runs[at], file)
		}
		if file == studyFile && slices.Contains(c.Studies, name) {
			return htmlText, h.asIs(name, file)
		}
		return "", nil
	}
	switch path {
	case "", indexFile:
		return htmlText, func(w io.Writer) error { return writeIndex(w, c) }
	case compareFile:
		return htmlText, func(w io.Writer) error { return writeCompare(w, runs) }
	}
	return "", nil
}

// asIs writes a file as it is stored.
func (h *handler) asIs(folder, name string) func(io.Writer) error {
	return func(w io.Writer) error {
		content, err := h.folder.stored(folder, name)
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	}
}

// file finds a file of a run.
func (h *handler) file(r *Run, name string) (kind string, write func(io.Writer) error) {
	switch {
	case name == rundir.ReportFile:
		return htmlText, func(w io.Writer) error {
			h.reports.Lock()
			defer h.reports.Unlock()
			return h.folder.writeReport(w, r)
		}
	case name == rundir.PlanFile, name == rundir.VerdictFile:
		return plainText, h.asIs(r.Name, name)
	case slices.Contains(r.Drawings, name):
		return drawing, h.asIs(r.Name, name)
	}
	return "", nil
}

// ofPlan are the runs of one plan.
func ofPlan(runs []*Run, id string) []*Run {
	return slices.DeleteFunc(slices.Clone(runs), func(r *Run) bool { return id == "" || r.plan != id })
}
