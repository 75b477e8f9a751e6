package volume

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// sector is what has to hold something for a bit of it to be flipped: what was
// preallocated and never written proves nothing.
const sector = 512

// found is a file in which bits may be flipped.
type found struct {
	path string // in the volume
	size int64
}

// flip flips bits of files at rest, spread over what matches by their sizes. It
// returns how many, and the files.
func flip(root string, bits cluster.Bits, seed uint64) (int, []string, error) {
	var all []found
	var total int64
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name := strings.TrimPrefix(path, root+"/")
		info, err := e.Info()
		if err != nil || info.Size() == 0 || !matches(bits.Path, name) {
			return nil // one that is gone has no bits
		}
		all, total = append(all, found{name, info.Size()}), total+info.Size()
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	if total == 0 {
		return 0, nil, fmt.Errorf("no file of the data directory matches %q and holds anything: see what it holds, and correct path", bits.Path)
	}
	rng := rand.New(rand.NewPCG(seed, 0xf119))
	flipped, touched := 0, []string{}
	for range bits.Count {
		at, i := rng.Int64N(total), 0
		for ; at >= all[i].size; i++ {
			at -= all[i].size
		}
		bit := rng.IntN(8)
		for range all { // the next file, if nothing is written in this one
			ok, err := flipOne(filepath.Join(root, all[i].path), at, bit)
			if err != nil {
				return flipped, touched, err
			}
			if ok {
				flipped, touched = flipped+1, append(touched, all[i].path)
				break
			}
			at, i = 0, (i+1)%len(all)
		}
	}
	return flipped, touched, nil
}

// flipOne flips a bit of the byte at an offset; if nothing is written in its sector,
// of the same byte in the next sector in which something is, and after the last in
// the first. It tells whether there was one.
func flipOne(path string, at int64, bit int) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	buf := make([]byte, sector)
	sectors := (info.Size() + sector - 1) / sector
	for i := range sectors {
		from := (at/sector + i) % sectors * sector
		n, _ := f.ReadAt(buf, from) // its end is none
		in := min(at%sector, int64(n)-1)
		if in < 0 || strings.Trim(string(buf[:n]), "\x00") == "" {
			continue
		}
		_, err = f.WriteAt([]byte{buf[in] ^ 1<<bit}, from+in)
		return err == nil, err
	}
	return false, nil
}
