package kit

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/history"
)

func TestBegin(t *testing.T) {
	for _, broken := range []bool{false, true} {
		op := history.Op{Outcome: history.OK, Error: history.ErrBusy, Flags: history.Seen | history.FromPrimary}
		want := history.Op{Outcome: history.Unknown, Flags: history.FromPrimary}
		if broken {
			want.Outcome, want.Error = history.Fail, history.ErrConnect
		}
		if sends := Begin(&op, broken); sends == broken || op.Outcome != want.Outcome || op.Error != want.Error || op.Flags != want.Flags {
			t.Errorf("broken %t: sends %t, %+v", broken, sends, op)
		}
	}
}

func TestDoubtConn(t *testing.T) {
	for err, want := range map[error]history.Error{io.EOF: history.ErrConnLost, os.ErrDeadlineExceeded: history.ErrTimeout} {
		var op history.Op
		op.Outcome = history.OK
		if DoubtConn(&op, err); op.Outcome != history.Unknown || op.Error != want {
			t.Errorf("%v: %v %v", err, op.Outcome, op.Error)
		}
	}
}

func TestBoundEndsAReadWithItsContext(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	read := func(ctx context.Context, timeout time.Duration) error {
		release, err := Bound(ctx, near, timeout)
		if err != nil {
			return err
		}
		defer release()
		_, err = near.Read(make([]byte, 1))
		return err
	}
	if err := read(context.Background(), 10*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without a deadline: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := read(ctx, time.Minute); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := read(ctx, time.Minute); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
}
