package kit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
)

// saying are nodes that say a role each; an empty one does not answer.
func saying(roles ...targets.Role) ([]*cluster.Node, OfStatus) {
	var nodes []*cluster.Node
	for i := range roles {
		nodes = append(nodes, &cluster.Node{Name: "n" + string(rune('1'+i)), Index: i})
	}
	return nodes, func(_ context.Context, n *cluster.Node) (targets.Status, error) {
		if roles[n.Index] == "" {
			return targets.Status{}, errors.New(n.Name + " is silent")
		}
		return targets.Status{Role: roles[n.Index]}, nil
	}
}

func TestUnanswered(t *testing.T) {
	for _, c := range []struct {
		err     error
		forGood bool
		remedy  string
	}{
		{errors.New("refused"), false, "refused: start it, or correct its address"},
		{fmt.Errorf("shake hands: %w", &tls.CertificateVerificationError{Err: errors.New("other name")}), true, "set target.connect.ca"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, true, "cert and key"},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, false, "start it"},
		{tls.RecordHeaderError{Msg: "no TLS"}, true, "take target.connect.tls away"},
	} {
		if err := Unanswered(c.err); IsForGood(err) != c.forGood || !strings.Contains(err.Error(), c.remedy) {
			t.Errorf("%v, for good %v", err, IsForGood(err))
		}
	}
}

func TestPrimaries(t *testing.T) {
	for _, c := range []struct {
		roles     []targets.Role
		the, some string // the primary and the primaries; with a blank: part of the error
	}{
		{nil, "no nodes", "no node answers"},
		{[]targets.Role{targets.Replica, targets.Primary}, "n2", "n2"},
		{[]targets.Role{targets.Replica, ""}, "is silent", "no node answers as the primary: try again when the deployment has one; n2 is silent"},
		{[]targets.Role{targets.Primary, ""}, "is silent", "n1"},
		{[]targets.Role{targets.Primary, targets.Primary}, "both n1 and n2", "n1n2"},
		{[]targets.Role{targets.Replica, targets.Replica}, "no primary", "no node answers"},
	} {
		nodes, status := saying(c.roles...)
		got := ""
		if n, err := ThePrimary(t.Context(), nodes, 1, status); err != nil {
			got = err.Error()
		} else {
			got = n.Name
		}
		if got != c.the && (!strings.Contains(c.the, " ") || !strings.Contains(got, c.the)) {
			t.Errorf("%v: the primary is %q, want %q", c.roles, got, c.the)
		}
		got = ""
		if list, err := Primaries(t.Context(), nodes, status); err != nil {
			got = err.Error()
		} else {
			for _, n := range list {
				got += n.Name
			}
		}
		if got != c.some && (!strings.Contains(c.some, " ") || !strings.Contains(got, c.some)) {
			t.Errorf("%v: primaries are %q, want %q", c.roles, got, c.some)
		}
	}
}

// TestWhose: an identity is asked for once, and found in any list of the nodes.
func TestWhose(t *testing.T) {
	nodes, _ := saying(targets.Primary, targets.Replica, targets.Replica)
	asked := 0
	ids := []string{"a", "b", ""}
	ask := func(ctx context.Context, n *cluster.Node) (string, error) {
		if ids[n.Index] == "" {
			<-ctx.Done() // it hangs, and holds nobody up who is found
			return "", ctx.Err()
		}
		if n.Index == 1 {
			asked++
		}
		return ids[n.Index], nil
	}
	var w Whose
	for range 2 {
		if got := w.Find(t.Context(), "b", nodes, ask); got != 1 {
			t.Errorf("b is %d's", got)
		}
	}
	if got := w.Find(t.Context(), "b", nodes[1:], ask); got != 0 || asked != 1 {
		t.Errorf("b is %d's, asked %d times", got, asked)
	}
	if got := w.Find(t.Context(), "b", nodes[:1], ask); got != -1 {
		t.Errorf("of the others b is %d's", got)
	}
	if got := w.Find(t.Context(), "x", nodes, ask); got != -1 {
		t.Errorf("x is %d's", got)
	}
	ids[1] = "c" // started again
	if got := w.Find(t.Context(), "c", nodes, ask); got != 1 {
		t.Errorf("c is %d's", got)
	}
}
