package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"syscall"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/network"
)

// handler routes the control channel and guards every path of it.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathClock, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, s.clockNow())
	})
	mux.HandleFunc("POST "+pathPeer, func(w http.ResponseWriter, r *http.Request) { reply(w, peerReply{r.RemoteAddr}) })
	mux.HandleFunc("POST "+pathAction, s.serveAction)
	mux.HandleFunc("POST "+pathProbe, handle(s.probe))
	mux.HandleFunc("POST "+pathCan, handle(s.can))
	if s.processes == nil {
		s.guestHandlers(mux)
	} else {
		mux.HandleFunc("POST "+pathStart, handle(s.start))
		mux.HandleFunc("POST "+pathRun, handle(s.run))
		mux.HandleFunc("POST "+pathUsage, handle(s.usage))
		mux.HandleFunc("POST "+pathExits, s.exits)
		mux.HandleFunc("POST "+pathOutput, s.output)
	}
	mux.HandleFunc("POST "+pathTunnel, s.tunnel)
	mux.HandleFunc("POST "+pathShutdown, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, struct{}{})
		_ = http.NewResponseController(w).Flush() // the answer goes out before the end
		s.shutdownOnce.Do(func() { close(s.shutdown) })
	})
	return s.guard(mux)
}

// clockNow answers a heartbeat.
func (s *server) clockNow() clockReply {
	lapse := s.firewall.Lapse()
	r := clockReply{Lapses: lapse.Count}
	if lapse.Count > 0 {
		r.From, r.Until = s.clock.read(lapse.From), s.clock.read(lapse.Until)
	}
	r.Now = s.clock.now()
	return r
}

// guard lets only the harness pass, and only so many requests at a time. Each
// renews the lease. TLS has asked for the harness's certificate already; that it
// is looked at here again keeps a handler from being served without it.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			refuse(w, http.StatusUnauthorized, errors.New("this agent answers its own harness alone"))
			return
		}
		s.lastRequest.Store(s.clock.now())
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

func (s *server) start(ctx context.Context, spec cluster.ServerSpec) (struct{}, error) {
	if err := s.findOthers(ctx); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, s.processes.Start(spec)
}

// findOthers finds the node's further file systems before the first server starts.
func (s *server) findOthers(ctx context.Context) error {
	s.othersMu.Lock()
	defer s.othersMu.Unlock()
	if len(s.o.Others) == 0 || s.foundOthers {
		return nil
	}
	pids, err := s.processes.FindRoots(ctx, s.o.Others)
	if err != nil {
		return err
	}
	s.meter.Leave(pids)
	s.foundOthers = true
	return nil
}

func (s *server) probe(ctx context.Context, in probeRequest) (probeReply, error) {
	addr, err := netip.ParseAddrPort(in.Addr)
	if err != nil {
		return probeReply{}, err
	}
	if in.Timeout <= 0 || in.Timeout > maxProbe {
		return probeReply{}, fmt.Errorf("probe's time-out %s is not between 0 and %s", in.Timeout, maxProbe)
	}
	if err := network.Probe(ctx, addr, in.Timeout); err != nil {
		return probeReply{Error: err.Error(), Refused: errors.Is(err, syscall.ECONNREFUSED)}, nil
	}
	return probeReply{}, nil
}

// usage reads what the node took, as of the middle of the reading.
func (s *server) usage(context.Context, struct{}) (usageReply, error) {
	began := s.clock.now()
	set := s.meter.Read()
	return usageReply{At: began + (s.clock.now()-began)/2, Set: set}, nil
}

// run runs a command to its end and returns its output.
func (s *server) run(ctx context.Context, spec cluster.ServerSpec) (runReply, error) {
	output, err := s.processes.Run(ctx, spec)
	if err != nil && output == nil {
		return runReply{}, err
	}
	r := runReply{Output: output}
	if err != nil {
		r.Error = err.Error()
	}
	return r, nil
}
