package agent

import (
	"encoding/json"
	"net/http"
)

// exits streams one JSON object for each of the server's exits.
func (s *server) exits(w http.ResponseWriter, r *http.Request) {
	streamExits(w, r, func(seq int) (exitReply, bool) {
		e, number, ok := s.processes.NextExit(r.Context(), seq)
		return exitReply{Seq: number, At: s.clock.read(e.At), Code: e.Code, Signal: e.Signal, Planned: e.Planned, By: e.By, Memory: e.Memory}, ok
	})
}

// streamExits streams what next waits for, from where the request begins; false ends it.
func streamExits(w http.ResponseWriter, r *http.Request, next func(seq int) (exitReply, bool)) {
	var in exitsRequest
	if !decode(w, r, &in) {
		return
	}
	flusher := http.NewResponseController(w)
	if flusher.Flush() != nil {
		return
	}
	encoder := json.NewEncoder(w)
	for seq := in.From; ; {
		out, ok := next(seq)
		if !ok || encoder.Encode(out) != nil || flusher.Flush() != nil {
			return
		}
		seq = out.Seq + 1
	}
}

// output streams the server's output, from the oldest byte that is kept.
func (s *server) output(w http.ResponseWriter, r *http.Request) {
	flusher := http.NewResponseController(w)
	if flusher.Flush() != nil {
		return
	}
	buf := make([]byte, 64<<10)
	for position := uint64(0); ; {
		n, after, ok := s.processes.NextOutput(r.Context(), position, buf)
		if !ok {
			return
		}
		if _, err := w.Write(buf[:n]); err != nil || flusher.Flush() != nil {
			return
		}
		position = after
	}
}
