package postgres

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// answering is a session whose server has one answer to every query, or none.
func answering(answer ...pgproto3.BackendMessage) (s *session, wait func()) {
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		server := pgproto3.NewBackend(far, far)
		for {
			if _, err := server.Receive(); err != nil {
				return
			}
			for _, a := range answer {
				server.Send(a)
			}
			if server.Flush() != nil {
				return
			}
		}
	}()
	return &session{conn: near, front: pgproto3.NewFrontend(near, near)}, func() {
		_ = near.Close()
		_ = far.Close()
		<-done
	}
}

func TestQuery(t *testing.T) {
	s, wait := answering(row([]byte("t"), nil), row([]byte("f"), []byte("1")), complete, ready)
	defer wait()
	rows, err := s.query(t.Context(), "SELECT")
	if err != nil || len(rows) != 2 || rows[0][0] != "t" || rows[0][1] != "" || rows[1][1] != "1" {
		t.Errorf("%q %v", rows, err)
	}
	if _, err := s.value(t.Context(), "SELECT"); err == nil {
		t.Error("two rows are one value")
	}
	if err := s.exec(t.Context(), "A", "B"); err != nil {
		t.Error(err)
	}
}

func TestQueryFails(t *testing.T) {
	for _, severity := range []string{"ERROR", "FATAL"} {
		answer := messages{problem(severity, "57P03")}
		if severity == "ERROR" {
			answer = append(answer, ready)
		}
		s, wait := answering(answer...)
		var refused *pgconn.PgError
		if err := s.exec(t.Context(), "SELECT"); !errors.As(err, &refused) || refused.Code != "57P03" {
			t.Errorf("%s: %v", severity, err)
		}
		wait()
	}
}

func TestQueryEndsWithItsContext(t *testing.T) {
	s, wait := answering()
	defer wait()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := s.query(ctx, "SELECT"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	bounded, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.query(bounded, "SELECT"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("late: %v", err)
	}
}
