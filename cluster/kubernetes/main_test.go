package kubernetes

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/client-go/rest"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// client-go keeps one connection to each API server for the whole process, and stops
// the pulse of a stream a few seconds after it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*clientConnReadLoop).run"),
		goleak.IgnoreTopFunction("k8s.io/client-go/tools/remotecommand.(*heartbeat).start"))
}

// fakeAPI is a cluster whose API server is a handler; nil answers nothing.
func fakeAPI(t *testing.T, h http.Handler) *api.API {
	t.Helper()
	if h == nil {
		h = http.NotFoundHandler()
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	a, err := api.New(&rest.Config{Host: s.URL}, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return a
}
