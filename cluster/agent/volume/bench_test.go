package volume_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// calls are what a server does with a log.
var calls = []struct {
	name string
	do   func(f *os.File, page []byte) error
}{
	{"write", func(f *os.File, page []byte) error {
		_, err := f.Write(page)
		return err
	}},
	{"write-and-sync", func(f *os.File, page []byte) error {
		if _, err := f.Write(page); err != nil {
			return err
		}
		return f.Sync()
	}},
	{"read", func(f *os.File, page []byte) error {
		_, err := f.ReadAt(page, 0)
		return err
	}},
}

// BenchmarkVolume: what calls of 4 KiB cost on a volume, and in a plain directory of
// the same disk.
func BenchmarkVolume(b *testing.B) {
	for _, place := range []string{"plain", "volume"} {
		dir := b.TempDir()
		if place == "volume" {
			dir = mount(b, "ordered").dir
		}
		for _, call := range calls {
			b.Run(call.name+"/"+place, func(b *testing.B) {
				f, err := os.Create(filepath.Join(dir, call.name))
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				page := make([]byte, 4096)
				if _, err := f.Write(page); err != nil {
					b.Fatal(err)
				}
				made := 0
				for b.Loop() {
					if made++; made%1024 == 0 { // a log that begins anew after 4 MiB
						if _, err := f.Seek(0, io.SeekStart); err != nil {
							b.Fatal(err)
						}
					}
					if err := call.do(f, page); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
