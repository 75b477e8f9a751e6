//lint:file-ignore SA1019 the dialers of client-go are still of this package's types

package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
)

// Streams are what a process in a pod is connected to; nil ones are not.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exec runs a command in a container of a pod and returns when it has ended. A command
// that fails is an error that tells its exit code.
func (a *API) Exec(ctx context.Context, pod, container string, command []string, s Streams) error {
	request := a.subresource(pod, "exec", s).Param("container", container)
	for _, word := range command {
		request.Param("command", word)
	}
	return a.stream(ctx, request, s)
}

// Attach connects to the first process of a container and returns when it has ended, or
// the streams have.
func (a *API) Attach(ctx context.Context, pod, container string, s Streams) error {
	return a.stream(ctx, a.subresource(pod, "attach", s).Param("container", container), s)
}

// Log follows what a container of a pod says, from now on or, if whole, from its start,
// to its end. The caller closes it.
func (a *API) Log(ctx context.Context, pod, container string, whole bool) (io.ReadCloser, error) {
	request := a.groups[""].Get().Namespace(a.Namespace).Resource("pods").Name(pod).SubResource("log").Param("container", container).Param("follow", "true")
	if !whole {
		request.Param("tailLines", "0")
	}
	return request.Stream(ctx)
}

func (a *API) subresource(pod, name string, s Streams) *rest.Request {
	return a.groups[""].Post().Namespace(a.Namespace).Resource("pods").Name(pod).SubResource(name).
		Param("stdin", strconv.FormatBool(s.In != nil)).Param("stdout", strconv.FormatBool(s.Out != nil)).Param("stderr", strconv.FormatBool(s.Err != nil))
}

// stream goes over a WebSocket or, if there is no way for one, over SPDY, as kubectl does.
func (a *API) stream(ctx context.Context, request *rest.Request, s Streams) error {
	socket, err := remotecommand.NewWebSocketExecutor(a.config, http.MethodGet, request.URL().String())
	if err != nil {
		return err
	}
	old, err := remotecommand.NewSPDYExecutor(a.config, http.MethodPost, request.URL())
	if err != nil {
		return err
	}
	executor, err := remotecommand.NewFallbackExecutor(socket, old, noUpgrade)
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: s.In, Stdout: s.Out, Stderr: s.Err})
}

func noUpgrade(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// Forward connects to a port of a pod's loopback address, through the API server. Each
// connection has an upgraded one of its own: several streams in one hold each other up.
func (a *API) Forward(ctx context.Context, pod string, port int) (net.Conn, error) {
	where := a.groups[""].Post().Namespace(a.Namespace).Resource("pods").Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(a.config)
	if err != nil {
		return nil, err
	}
	socket, err := portforward.NewSPDYOverWebsocketDialer(where, a.config)
	if err != nil {
		return nil, err
	}
	dialer := portforward.NewFallbackDialer(socket, spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, where), noUpgrade)
	type dialled struct {
		connection httpstream.Connection
		err        error
	}
	done := make(chan dialled, 1)
	go func() { // it takes no context
		connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		done <- dialled{connection, err}
	}()
	select {
	case d := <-done:
		if d.err != nil {
			return nil, fmt.Errorf("forward a port of pod %s: %w", pod, d.err)
		}
		return open(d.connection, pod, port)
	case <-ctx.Done():
		go func() {
			if d := <-done; d.connection != nil {
				_ = d.connection.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// open opens the two streams of a forwarded connection.
func open(connection httpstream.Connection, pod string, port int) (net.Conn, error) {
	header := http.Header{}
	header.Set(corev1.StreamType, corev1.StreamTypeError)
	header.Set(corev1.PortHeader, strconv.Itoa(port))
	header.Set(corev1.PortForwardRequestIDHeader, "0")
	failed, err := connection.CreateStream(header)
	if err == nil {
		_ = failed.Close() // nothing is said on it from here
		header.Set(corev1.StreamType, corev1.StreamTypeData)
		var data httpstream.Stream
		if data, err = connection.CreateStream(header); err == nil {
			return join(connection, failed, data), nil
		}
	}
	return nil, errors.Join(fmt.Errorf("forward a port of pod %s: %w", pod, err), connection.Close())
}

// join makes a connection, with deadlines, of the streams.
func join(connection httpstream.Connection, failed io.Reader, data httpstream.Stream) net.Conn {
	ours, theirs := net.Pipe()
	var once sync.Once
	end := func() {
		once.Do(func() {
			_ = connection.Close()
			_ = theirs.Close()
		})
	}
	go func() {
		defer end()
		_, _ = io.Copy(data, theirs)
	}()
	go func() {
		defer end()
		_, _ = io.Copy(theirs, data)
	}()
	go func() { // what is said here is why nobody answers at the port
		if said, _ := io.ReadAll(io.LimitReader(failed, maxRaw)); len(said) > 0 {
			end()
		}
	}()
	go func() {
		<-connection.CloseChan()
		end()
	}()
	return ours
}
