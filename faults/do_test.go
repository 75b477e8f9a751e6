package faults

import (
	"strings"
	"testing"
	"time"
)

// TestTasksAreTheTargets: what a target cannot do is refused with what it can, in a
// pick too, and one that names nobody is the primary's.
func TestTasksAreTheTargets(t *testing.T) {
	known := []string{"compact", "defrag"}
	for _, test := range []struct {
		spec  Spec
		known []string
		want  string
	}{
		{Spec{Kind: "do", Task: "etcd.defrag"}, known, ""},
		{Spec{Kind: "kill", Victim: All}, nil, ""},
		{Spec{Kind: "do", Task: "etcd.defrags"}, known, `did you mean "etcd.defrag"?`},
		{Spec{Kind: "do", Task: "defrag"}, known, `has no task "defrag"`},
		{Spec{Kind: "do", Task: "redis.bgsave"}, known, `has no task "redis.bgsave"`},
		{Spec{Kind: "do", Task: "etcd.defrag"}, nil, "has no tasks here"},
		{Spec{Every: time.Second, Pick: []Spec{{Kind: "do", Task: "etcd.vacuum"}}}, known, `has no task "etcd.vacuum"`},
	} {
		err := CheckTasks(test.spec, "etcd", test.known)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.spec.Task, err, test.want)
		}
	}
	if s := Defaults(Spec{Kind: "do", Task: "etcd.defrag"}); s.Victim != Primary {
		t.Errorf("its victim is %q", s.Victim)
	}
	if err := Validate(Spec{Kind: "do", Victim: Primary}, []string{"n1"}, time.Second); err == nil || !strings.Contains(err.Error(), "it has no task") {
		t.Errorf("without a task: %v", err)
	}
}
