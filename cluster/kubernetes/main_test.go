package kubernetes

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/client-go/rest"

	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
