package probe

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
)

// volumeWorks loses the power of a small volume: what was synced has to be there
// afterwards, and what was not has to be gone.
func volumeWorks() Check {
	if c := fuse(volume.Device); !c.OK {
		return c
	}
	if err := losePower(); err != nil {
		return Check{Name: FUSE, Detail: err.Error(), Remedy: "needed only for the faults power, crash, disk and flip: load the kernel module fuse, and in a container allow mounts (docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined)"}
	}
	return Check{Name: FUSE, OK: true, Detail: "a volume was mounted and lost its power: what was synced was kept, and what was not is gone"}
}

func losePower() error {
	dir, err := os.MkdirTemp("", "aftershock-doctor")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	at := filepath.Join(dir, "data")
	v, err := volume.Start(at, cluster.Volume{Names: cluster.NamesOrdered})
	if err != nil {
		return err
	}
	defer v.Close()
	f, err := os.Create(filepath.Join(at, "file"))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString("synced"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if _, err := f.WriteString(", not synced"); err != nil {
		return err
	}
	if _, _, _, err := v.Cut(); err != nil {
		return err
	}
	if err := v.Away(); err != nil {
		return err
	}
	if _, err := v.Back(cluster.Loss{}, 1); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(at, "file"))
	if err != nil {
		return err
	}
	if string(text) != "synced" {
		return fmt.Errorf("after a loss of power a file holds %q, and %q was synced", text, "synced")
	}
	return nil
}
