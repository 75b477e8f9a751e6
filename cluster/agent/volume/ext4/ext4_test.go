package ext4

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What was synced is there after the file system was taken from under its user, by the
// kernel's own recovery; and a new one is empty.
func TestMount(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	if os.Getuid() != 0 {
		t.Skip("root alone mounts file systems")
	}
	dir := t.TempDir()
	file, at := filepath.Join(dir, "disk"), filepath.Join(dir, "at")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Format(file); err != nil {
		t.Fatal(err)
	}
	if err := Format(file); err == nil {
		t.Error("a file that was there was formatted")
	}
	fs, err := Mount(file, at, dir)
	if errors.Is(err, unix.EPERM) {
		t.Skip(err) // in a container without the right to
	}
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil || st.Type != unix.EXT4_SUPER_MAGIC {
		t.Errorf("it is of type %x, %v", st.Type, err)
	}
	if err := os.WriteFile(filepath.Join(at, "one"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fs.Sync(); err != nil {
		t.Error(err)
	}
	copied := copyOf(t, file)
	if err := fs.Unmount(); err != nil {
		t.Fatal(err)
	}
	if fs, err = Mount(copied, at, dir); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(at, "one")); string(text) != "1" {
		t.Errorf("%q, %v", text, err)
	}
	if err := fs.Unmount(); err != nil {
		t.Error(err)
	}
}

// copyOf is the file as it is now, as a power cut would leave it.
func copyOf(t *testing.T, file string) string {
	t.Helper()
	to := file + "-copy"
	from, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.Truncate(Size); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<20)
	for at := int64(0); ; {
		begin, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if err != nil {
			return to
		}
		end, err := unix.Seek(int(from.Fd()), begin, unix.SEEK_HOLE)
		if err != nil {
			t.Fatal(err)
		}
		for at = begin; at < end; {
			n, err := from.ReadAt(buffer[:min(int64(len(buffer)), end-at)], at)
			if err != nil && n == 0 {
				t.Fatal(err)
			}
			if _, err := out.WriteAt(buffer[:n], at); err != nil {
				t.Fatal(err)
			}
			at += int64(n)
		}
	}
}
