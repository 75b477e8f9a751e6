// Package api speaks with the API server of a Kubernetes cluster: the few kinds of
// objects that Aftershock makes and looks at, and the streams into pods.
//
// It uses client-go's REST client with a scheme of its own. The typed clients would
// bring every kind of every group along, which doubles the binary.
package api
