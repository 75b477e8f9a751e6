package resp

import (
	"net"
	"slices"
	"strconv"
	"testing"
)

func TestCommands(t *testing.T) {
	b := AppendWord(AppendWord(AppendArray(nil, 2), "GET"), []byte("r0.17"))
	if want := "*2\r\n$3\r\nGET\r\n$5\r\nr0.17\r\n"; string(b) != want {
		t.Errorf("%q, want %q", b, want)
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("$3\r\n123\r\n"))
	f.Add([]byte("*2\r\n:0\r\n$-1\r\n"))
	f.Add([]byte("-ERR x\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// However the bytes arrive, they read the same.
		whole := replies(NewReader(&pieces{data, len(data)}))
		single := replies(NewReader(&pieces{data, 1}))
		if !slices.Equal(whole, single) {
			t.Fatalf("%q: %q and %q", data, whole, single)
		}
	})
}

func replies(r Reader) []string {
	var all []string
	for {
		v, err := r.Next()
		if err != nil {
			return all
		}
		all = append(all, string(v.Kind)+string(v.Text)+strconv.FormatInt(v.N, 10)+strconv.FormatBool(v.Null))
	}
}

// pieces is a stream that arrives in pieces of at most size bytes.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, net.ErrClosed
	}
	n := copy(b, p.data[:min(p.size, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}
