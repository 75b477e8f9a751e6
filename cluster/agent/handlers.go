package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// handler routes the control channel and guards every path of it.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathClock, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, clockReply{Now: s.node.now()})
	})
	mux.HandleFunc("POST "+pathStart, handle(s.start))
	mux.HandleFunc("POST "+pathAction, handle(s.action))
	mux.HandleFunc("POST "+pathProbe, handle(s.probe))
	mux.HandleFunc("POST "+pathRun, handle(s.run))
	mux.HandleFunc("POST "+pathExits, s.exits)
	mux.HandleFunc("POST "+pathOutput, s.output)
	mux.HandleFunc("POST "+pathTunnel, s.tunnel)
	mux.HandleFunc("POST "+pathShutdown, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, struct{}{})
		_ = http.NewResponseController(w).Flush() // the answer goes out before the end
		s.overOnce.Do(func() { close(s.over) })
	})
	return s.guard(mux)
}

// guard lets only requests with the token pass, and only so many at a time.
// Each renews the lease.
func (s *server) guard(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(s.o.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		// Comparing digests takes the same time for tokens of any length.
		got := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(want[:], got[:]) != 1 || !ok {
			refuse(w, http.StatusUnauthorized, errors.New("wrong token: this agent belongs to another run"))
			return
		}
		s.heard.Store(s.node.now())
		if r.URL.Path != pathClock && r.URL.Path != pathShutdown {
			select {
			case s.inFlight <- struct{}{}:
				defer func() { <-s.inFlight }()
			default:
				refuse(w, http.StatusServiceUnavailable, fmt.Errorf("more than %d requests to one agent at a time", maxInFlight))
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// handle makes a handler of a function from one JSON value to another.
func handle[In, Out any](f func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if !decode(w, r, &in) {
			return
		}
		out, err := f(r.Context(), in)
		if err != nil {
			refuse(w, http.StatusUnprocessableEntity, err)
			return
		}
		reply(w, out)
	}
}

func decode(w http.ResponseWriter, r *http.Request, in any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(in); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("bad request to %s (harness and agent of different versions?): %w", r.URL.Path, err))
		return false
	}
	return true
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error means that the harness is gone
}

func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(errorReply{Error: err.Error()})
}

func (s *server) start(_ context.Context, spec cluster.ServerSpec) (struct{}, error) {
	return struct{}{}, s.node.start(spec)
}

func (s *server) probe(ctx context.Context, in probeRequest) (errorReply, error) {
	addr, err := netip.ParseAddrPort(in.Addr)
	if err != nil {
		return errorReply{}, err
	}
	if in.Timeout <= 0 || in.Timeout > maxProbe {
		return errorReply{}, fmt.Errorf("probe's time-out %s is not between 0 and %s", in.Timeout, maxProbe)
	}
	if err := probe(ctx, addr, in.Timeout); err != nil {
		return errorReply{Error: err.Error()}, nil
	}
	return errorReply{}, nil
}

// action waits for the action's instant and acts. A harness that goes away
// while it waits calls the action off.
func (s *server) action(ctx context.Context, in actionRequest) (actionReply, error) {
	if ahead := time.Duration(in.At - s.node.now()); ahead > maxAhead {
		return actionReply{}, fmt.Errorf("action is %s ahead, at most %s", ahead, maxAhead)
	}
	if in.Kind == cluster.Block {
		if err := s.node.rules.ready(); err != nil {
			return actionReply{}, err
		}
	}
	return urgently(func() (actionReply, error) {
		if err := waitUntil(ctx, s.node.now, in.At); err != nil {
			return actionReply{}, err
		}
		return s.node.act(in.Action)
	})
}

// act puts an action into effect now.
func (n *node) act(a cluster.Action) (reply actionReply, err error) {
	switch a.Kind {
	case cluster.Kill:
		return n.kill()
	case cluster.Stop:
		return n.stop(a.Grace)
	case cluster.Pause:
		return n.pause()
	case cluster.Resume:
		return n.resume()
	case cluster.Restart:
		reply.Changed, err = n.restart()
	case cluster.Block:
		reply.Changed, err = n.rules.block(a.ID, a.Rules)
	case cluster.Unblock:
		reply.Dropped, reply.Changed, err = n.rules.unblock(a.ID)
	default:
		return actionReply{}, fmt.Errorf("unknown action %q", a.Kind)
	}
	reply.At = n.now()
	return reply, err
}
