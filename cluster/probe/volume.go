package probe

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/ext4"
)

// volumeWorks loses the power of a small volume: what was synced has to be there
// afterwards, and what was not has to be gone.
func volumeWorks() Check {
	if c := fuse(volume.Device); !c.OK {
		return c
	}
	if err := losePower(cluster.Volume{Names: cluster.NamesOrdered}); err != nil {
		return Check{Name: FUSE, Detail: err.Error(), Remedy: "needed only for the faults power, crash, disk and flip: load the kernel module fuse, and in a container allow mounts (docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined)"}
	}
	return Check{Name: FUSE, OK: true, Detail: "a volume was mounted and lost its power: what was synced was kept, and what was not is gone"}
}

// ext4Works does the same with a true file system.
func ext4Works() Check {
	err := ext4.Available()
	if err == nil {
		err = losePower(cluster.Volume{Names: cluster.NamesOrdered, Real: cluster.RealExt4})
	}
	if err != nil {
		return Check{Name: Ext4, Detail: err.Error(), Remedy: "needed only for target.disk.real: be root of the machine, with the kernel modules ext4 and loop; our own volume needs neither"}
	}
	return Check{Name: Ext4, OK: true, Detail: "a file system was mounted and lost its power: the kernel recovered what was synced, and what was not is gone"}
}

// losePower loses the power of a volume.
func losePower(of cluster.Volume) error {
	dir, err := os.MkdirTemp("", "aftershock-doctor")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	at := filepath.Join(dir, "data")
	v, err := volume.Start(at, of)
	if err != nil {
		return err
	}
	defer v.Close()
	f, err := os.Create(filepath.Join(at, "file"))
	if err != nil {
		return err
	}
	defer f.Close() // again, where something failed
	if _, err := f.WriteString("synced"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if _, err := f.WriteString(", not synced"); err != nil {
		return err
	}
	if err := f.Close(); err != nil { // a true file system does not go while somebody has a file open
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
