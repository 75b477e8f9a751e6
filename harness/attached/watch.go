package attached

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
)

const (
	watchEvery   = 250 * time.Millisecond
	watchTimeout = 2 * time.Second
	mostAnswer   = 4 << 20
)

// readers say of an answer what it comes to, in words that change when it does.
var readers = map[string]func([]byte) (string, error){"haproxy": readHAProxy, "patroni": readPatroni}

// Watch asks what stands beside the nodes whom it takes for what, and tells each
// change as an event, until ctx ends. That nobody answers is a change too.
func Watch(ctx context.Context, p *plan.Plan, clock history.Clock, emit func(history.Event)) {
	var watching sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(p.Target.Attach.Watch)) {
		w := watch{name: name, urls: strings.Split(p.Target.Attach.Watch[name], ","), read: readers[name], client: &http.Client{Timeout: watchTimeout}}
		watching.Go(func() { w.run(ctx, clock, emit) })
	}
	watching.Wait()
}

type watch struct {
	name   string
	urls   []string
	read   func([]byte) (string, error)
	client *http.Client
}

func (w *watch) run(ctx context.Context, clock history.Clock, emit func(history.Event)) {
	defer w.client.CloseIdleConnections()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := ""
	for {
		said := w.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if said != last {
			emit(history.Event{At: clock.Now(), Kind: history.EventPlace, Node: w.name, Name: string(cluster.Says), Detail: said})
			last = said
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask takes the first answer.
func (w *watch) ask(ctx context.Context) string {
	var errs []error
	for _, url := range w.urls {
		said, err := w.get(ctx, url)
		if err == nil {
			return said
		}
		errs = append(errs, err)
	}
	var net interface{ Timeout() bool } // its words have ports that change
	if len(errs) == 1 && !errors.As(errs[0], &net) {
		return "no answer: " + errs[0].Error()
	}
	return "no answer"
}

func (w *watch) get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := w.client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answered %s", answer.Status)
	}
	return w.read(body)
}

// readHAProxy says which servers each of HAProxy's proxies leads to, by the table of
// its statistics as CSV (management guide, "Statistics and monitoring").
func readHAProxy(body []byte) (string, error) {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(body), "# ")))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return "", errors.New("it did not answer with its statistics as CSV: the path has to end with ;csv")
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	proxy, server, status := column("pxname"), column("svname"), column("status")
	if proxy < 0 || server < 0 || status < 0 {
		return "", errors.New("it did not answer with its statistics as CSV: the path has to end with ;csv")
	}
	up, order := map[string][]string{}, []string{}
	for _, row := range rows[1:] {
		if len(row) <= max(proxy, server, status) || row[server] == "FRONTEND" || row[server] == "BACKEND" {
			continue
		}
		if _, known := up[row[proxy]]; !known {
			up[row[proxy]] = nil
			order = append(order, row[proxy])
		}
		if strings.HasPrefix(row[status], "UP") || row[status] == "no check" {
			up[row[proxy]] = append(up[row[proxy]], row[server])
		}
	}
	var words []string
	for _, name := range order {
		to := "nobody"
		if len(up[name]) > 0 {
			to = strings.Join(up[name], ", ")
		}
		words = append(words, name+" → "+to)
	}
	return strings.Join(words, "; "), nil
}

// readPatroni says what Patroni takes its members for, by the answer of GET /cluster.
func readPatroni(body []byte) (string, error) {
	var cluster struct {
		Members []struct{ Name, Role, State string }
	}
	if err := json.Unmarshal(body, &cluster); err != nil || len(cluster.Members) == 0 {
		return "", errors.New("it did not answer as Patroni's GET /cluster: the path has to end with /cluster")
	}
	var words []string
	for _, m := range cluster.Members {
		words = append(words, strings.TrimSpace(m.Name+" "+m.Role+" "+m.State))
	}
	slices.Sort(words)
	return strings.Join(words, "; "), nil
}
