package server

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// meta is what a node must not forget besides its log: kept in meta.json,
// replaced as a whole.
type meta struct {
	Epoch     uint64   `json:"epoch"`             // the newest epoch that the node has heard of
	Role      Role     `json:"role"`              // primary or replica
	Primary   string   `json:"primary,omitempty"` // a replica's primary, host:port
	Members   []string `json:"members,omitempty"` // a primary's in-sync set
	SyncEpoch uint64   `json:"sync_epoch"`        // the epoch in which a replica was told to be in sync
}

// Role is what a node says it is.
type Role string

const (
	Primary Role = "primary"
	Replica Role = "replica"
)

const metaName = "meta.json"

func loadMeta(dir string) (meta, bool, error) {
	m := meta{Role: Replica}
	b, err := os.ReadFile(filepath.Join(dir, metaName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("read the node's role: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil || (m.Role != Primary && m.Role != Replica) {
		return m, false, fmt.Errorf("%s is damaged (%v): empty the data directory and let the node catch up",
			filepath.Join(dir, metaName), err)
	}
	return m, true, nil
}

// save replaces the file; on disk it is the old or the new one as a whole.
func (m meta) save(dir string, sync, names bool) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the node's role: %w", err)
	}
	if err := replaceFile(filepath.Join(dir, metaName), b, sync); err != nil {
		return fmt.Errorf("save the node's role: %w", err)
	}
	if names {
		return syncDir(dir)
	}
	return nil
}

// syncDir makes the names in a directory durable: that of a file is no part of the
// file, and a sync of that does not have to make it so.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync the directory %s: %w", dir, err)
	}
	return nil
}

func replaceFile(path string, b []byte, sync bool) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil && sync {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// markFile holds one number that only matters roughly: it is written in place,
// with a checksum, and reads as 0 when it is damaged.
type markFile struct{ file *os.File }

const markSize = 12

func openMark(path string) (*markFile, uint64, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", path, err)
	}
	var b [markSize]byte
	if n, _ := f.ReadAt(b[:], 0); n < markSize ||
		crc32.Checksum(b[:8], castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		return &markFile{f}, 0, nil
	}
	return &markFile{f}, binary.LittleEndian.Uint64(b[:]), nil
}

func (m *markFile) save(v uint64) error {
	var b [markSize]byte
	binary.LittleEndian.PutUint64(b[:], v)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	_, err := m.file.WriteAt(b[:], 0)
	return err
}
