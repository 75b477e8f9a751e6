package history

import (
	"encoding/json"
	"testing"
)

// TestObjectOfWorkload: a workload's object is what it says, or what its type
// says, and is written down only where these differ.
func TestObjectOfWorkload(t *testing.T) {
	for _, c := range []struct {
		meta    WorkloadMeta
		want    Object
		written string
	}{
		{WorkloadMeta{Name: "a", Type: "append"}, ObjectList, `{"name":"a","type":"append","keys":0,"workers":0}`},
		{WorkloadMeta{Name: "a", Type: "append", Object: ObjectList}, ObjectList, `{"name":"a","type":"append","keys":0,"workers":0}`},
		{WorkloadMeta{Name: "b", Type: "bank", Object: ObjectRegister}, ObjectRegister, `{"name":"b","type":"bank","object":"register","keys":0,"workers":0}`},
		{WorkloadMeta{Name: "y", Type: "ycsb", Object: ObjectRegister}, ObjectRegister, `{"name":"y","type":"ycsb","object":"register","keys":0,"workers":0}`},
		{WorkloadMeta{Name: "o", Type: "other"}, "", `{"name":"o","type":"other","keys":0,"workers":0}`},
	} {
		text, err := json.Marshal(Meta{Workloads: []WorkloadMeta{c.meta}})
		if want := `{"run":"","nodes":null,"workloads":[` + c.written + `]}`; err != nil || string(text) != want {
			t.Errorf("%+v is written as %s (%v)", c.meta, text, err)
		}
		var read Meta
		if err := json.Unmarshal(text, &read); err != nil || read.Workloads[0].ActsOn() != c.want || c.meta.ActsOn() != c.want {
			t.Errorf("%+v acts on %q, and once written and read on %q; want %q (%v)", c.meta, c.meta.ActsOn(), read.Workloads[0].ActsOn(), c.want, err)
		}
	}
}
