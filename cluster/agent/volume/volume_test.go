package volume_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/ext4"
	"github.com/aftershock-chaos/aftershock/cluster/agent/volume/undo"
)

func TestMain(m *testing.M) {
	if volume.HelperAsked() {
		if err := volume.Helper(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// mounted is a volume that the test loses the power of.
type mounted struct {
	t   testing.TB
	v   *volume.Volume
	dir string
}

func mount(t testing.TB, names string) *mounted {
	t.Helper()
	return mountOf(t, cluster.Volume{Names: names})
}

func mountOf(t testing.TB, of cluster.Volume) *mounted {
	t.Helper()
	if err := volume.Available(); err != nil {
		t.Skipf("needs FUSE: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount; the local host's tests do so in a user namespace")
	}
	dir := filepath.Join(t.TempDir(), "data")
	v, err := volume.Start(dir, of)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.Close()
		if mounts, _ := os.ReadFile("/proc/self/mounts"); bytes.Contains(mounts, []byte(dir)) {
			t.Error("the volume is still mounted")
		}
	})
	return &mounted{t, v, dir}
}

func (m *mounted) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

func (m *mounted) cut(loss cluster.Loss) undo.Lost {
	m.t.Helper()
	_, _, _, err := m.v.Cut()
	m.must(err)
	m.must(m.v.Away())
	lost, err := m.v.Back(loss, 1)
	m.must(err)
	return lost
}

func (m *mounted) create(name string, flags int) *os.File {
	m.t.Helper()
	f, err := os.OpenFile(m.path(name), os.O_RDWR|os.O_CREATE|flags, 0o600)
	m.must(err)
	m.t.Cleanup(func() { _ = f.Close() })
	return f
}

func (m *mounted) write(f *os.File, text string) {
	m.t.Helper()
	_, err := f.WriteString(text)
	m.must(err)
}

func (m *mounted) syncDir(name string) {
	m.t.Helper()
	d, err := os.Open(m.path(name))
	m.must(err)
	defer d.Close()
	m.must(d.Sync())
}

func (m *mounted) wants(name, want string) {
	m.t.Helper()
	text, err := os.ReadFile(m.path(name))
	if err != nil || string(text) != want {
		m.t.Errorf("%s holds %.40q, %v; want %.40q", name, text, err, want)
	}
}

func (m *mounted) gone(name string) {
	m.t.Helper()
	if _, err := os.Lstat(m.path(name)); !errors.Is(err, os.ErrNotExist) {
		m.t.Errorf("%s is there: %v", name, err)
	}
}

// TestLog: what a log has synced is there, and nothing of what came after.
// A true file system loses what was not flushed to its disk, and recovers what was, again
// and again; what it had in memory when the power went never reaches the disk.
func TestReal(t *testing.T) {
	if err := ext4.Available(); err != nil {
		t.Skip(err)
	}
	m := mountOf(t, cluster.Volume{Names: cluster.NamesOrdered, Real: cluster.RealExt4})
	var st unix.Statfs_t
	if m.must(unix.Statfs(m.dir, &st)); st.Type != unix.EXT4_SUPER_MAGIC {
		t.Fatalf("a file system of type %x", st.Type)
	}
	if left, err := os.ReadDir(m.dir); len(left) > 0 || err != nil {
		t.Errorf("it is not empty: %v, %v", left, err)
	}
	f := m.create("kept", 0)
	m.write(f, "synced")
	m.must(f.Sync())
	m.write(f, ", not synced")
	m.must(f.Close())
	f = m.create("lost", 0)
	m.write(f, "not synced")
	m.must(f.Close())
	m.cut(cluster.Loss{})
	m.wants("kept", "synced")
	m.gone("lost")

	m.must(os.Rename(m.path("kept"), m.path("moved")))
	m.cut(cluster.Loss{})
	m.wants("kept", "synced") // the journal's transaction was open still
	m.gone("moved")

	m.must(os.WriteFile(m.path("aged"), []byte("by age"), 0o600))
	if _, err := m.v.Age(cluster.Action{}); err != nil {
		t.Fatal(err)
	}
	m.cut(cluster.Loss{Survive: 0.5})
	m.wants("aged", "by age")
}

func TestLog(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	f := m.create("wal", os.O_APPEND)
	m.write(f, "one ")
	m.must(f.Sync())
	m.write(f, "two ")
	m.must(unix.Fdatasync(int(f.Fd())))
	m.write(f, strings.Repeat("lost", 5000))
	lost := m.cut(cluster.Loss{})
	m.wants("wal", "one two ")
	if lost.Pages != 5 || lost.Bytes != 20000 || lost.Names != 0 {
		t.Errorf("lost %+v", lost)
	}
	m.write(m.create("wal", os.O_APPEND), "x")
	m.cut(cluster.Loss{})
	m.wants("wal", "one two ")
}

// TestReplace: the pattern of write, sync, rename, sync of the directory.
func TestReplace(t *testing.T) {
	for names, want := range map[string]string{cluster.NamesOrdered: "old", cluster.NamesPosix: "old", cluster.NamesDurable: "new"} {
		t.Run(names, func(t *testing.T) {
			m := mount(t, names)
			replace := func(text string) {
				f := m.create("tmp", os.O_TRUNC)
				m.write(f, text)
				m.must(f.Sync())
				m.must(f.Close())
				m.must(os.Rename(m.path("tmp"), m.path("state")))
			}
			replace("old")
			m.syncDir(".")
			replace("new")
			m.cut(cluster.Loss{})
			m.wants("state", want)
			replace("newer")
			m.syncDir(".")
			m.cut(cluster.Loss{})
			m.wants("state", "newer")
			m.gone("tmp")
			// Another file's sync writes the journal, where there is one.
			replace("newest")
			f := m.create("other", 0)
			m.must(f.Sync())
			m.cut(cluster.Loss{})
			if names == cluster.NamesPosix {
				m.wants("state", "newer")
				m.gone("other")
				return
			}
			m.wants("state", "newest")
			m.wants("other", "")
		})
	}
}

// TestSyncedWrites: O_SYNC and O_DSYNC need no sync.
func TestSyncedWrites(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	m.write(m.create("sync", os.O_SYNC), "kept")
	m.write(m.create("dsync", unix.O_DSYNC), "kept")
	m.write(m.create("plain", 0), "lost")
	m.cut(cluster.Loss{})
	m.wants("sync", "kept")
	m.wants("dsync", "kept")
	m.gone("plain")
}

// TestMapped: of pages written through a mapping msync makes its own durable.
func TestMapped(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	f := m.create("db", 0)
	m.must(f.Truncate(4 * undo.Page))
	m.must(f.Sync())
	memory, err := unix.Mmap(int(f.Fd()), 0, 4*undo.Page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	m.must(err)
	copy(memory, "kept")
	m.must(unix.Msync(memory[:undo.Page], unix.MS_SYNC))
	copy(memory[2*undo.Page:], "lost")
	m.must(unix.Munmap(memory))
	m.cut(cluster.Loss{})
	text, err := os.ReadFile(m.path("db"))
	m.must(err)
	if len(text) != 4*undo.Page || string(text[:4]) != "kept" || strings.Trim(string(text[undo.Page:]), "\x00") != "" {
		t.Errorf("%d bytes, %q", len(text), text[:4])
	}
}

// TestNames: removals come back, links share their file, and a file without a name
// can be used on.
func TestNames(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	m.must(os.Mkdir(m.path("dir"), 0o700))
	f := m.create("dir/a", 0)
	m.write(f, "text")
	m.must(f.Sync())
	m.must(os.Link(m.path("dir/a"), m.path("b")))
	m.must(os.Symlink("a", m.path("dir/link")))
	m.must(os.Remove(m.path("dir/a")))
	m.must(os.Remove(m.path("b")))
	m.must(os.Remove(m.path("dir/link")))
	m.must(os.Remove(m.path("dir")))
	m.write(f, " on") // it has no name
	if _, err := f.ReadAt(make([]byte, 7), 0); err != nil {
		t.Error(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 7 {
		t.Errorf("a file without a name: %v, %v", info, err)
	}
	lost := m.cut(cluster.Loss{})
	m.wants("dir/a", "text")
	m.gone("b")
	m.gone("dir/link")
	if lost.Names == 0 {
		t.Error("no names were lost")
	}
	var st unix.Stat_t
	m.must(unix.Stat(m.path("dir/a"), &st))
	if st.Nlink != 1 {
		t.Errorf("%d links", st.Nlink)
	}
}

// TestSurvive: some pages stay, and some of them in part.
func TestSurvive(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	const n = 400
	f := m.create("f", 0)
	m.write(f, strings.Repeat("o", n*undo.Page))
	m.must(f.Sync())
	_, err := f.WriteAt(bytes.Repeat([]byte("n"), n*undo.Page), 0)
	m.must(err)
	lost := m.cut(cluster.Loss{Survive: 0.5})
	if lost.Pages+lost.Kept != n || lost.Kept < n/3 || lost.Kept > 2*n/3 {
		t.Errorf("lost %+v", lost)
	}
	text, err := os.ReadFile(m.path("f"))
	m.must(err)
	torn := 0
	for i := range n {
		page := string(text[i*undo.Page : (i+1)*undo.Page])
		fresh := strings.TrimRight(page, "o")
		if strings.Contains(fresh, "o") || len(fresh)%512 != 0 {
			t.Fatalf("page %d is torn within a sector", i)
		}
		if len(fresh) > 0 && len(fresh) < undo.Page {
			torn++
		}
	}
	if torn == 0 || torn > lost.Kept/3 {
		t.Errorf("%d of %d pages that survived are torn", torn, lost.Kept)
	}
}

// TestBlocked: after the cut nothing is answered, and who waits does not hold it up.
func TestBlocked(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	f := m.create("f", 0)
	_, _, _, err := m.v.Cut()
	m.must(err)
	done := make(chan error, 1)
	go func() {
		_, err := f.WriteString("never")
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("a write after the cut was answered: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	m.must(m.v.Away())
	if err := <-done; err == nil {
		t.Error("a write after the cut had an effect")
	}
	_, err = m.v.Back(cluster.Loss{}, 1)
	m.must(err)
	m.gone("f")
}

// TestFailedSync: as with ext4 and XFS the pages are never written.
func TestFailedSync(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	f := m.create("wal", os.O_APPEND)
	m.write(f, "durable ")
	m.must(f.Sync())
	m.write(f, "doomed ")
	_, err := m.v.Sicken(cluster.Action{ID: "f1", Sick: &cluster.Sick{On: "sync", Path: "w*", Error: "EIO", Chance: 1}})
	m.must(err)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("the sync failed with %v", err)
	}
	effect, err := m.v.Heal(cluster.Action{ID: "f1"})
	m.must(err)
	if effect.Counts[cluster.CallsFailed] != 1 {
		t.Errorf("counted %v", effect.Counts)
	}
	m.must(f.Sync()) // it has nothing to write
	m.wants("wal", "durable doomed ")
	m.cut(cluster.Loss{})
	m.wants("wal", "durable ")
}

// TestReadFault: what the kernel has read already fails too.
func TestReadFault(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	f := m.create("f", 0)
	m.write(f, "text")
	m.wants("f", "text")
	_, err := m.v.Sicken(cluster.Action{ID: "f1", Sick: &cluster.Sick{On: "read", Error: "EIO", Chance: 1}})
	m.must(err)
	if _, err := os.ReadFile(m.path("f")); !errors.Is(err, syscall.EIO) {
		t.Errorf("read: %v", err)
	}
	_, err = m.v.Heal(cluster.Action{ID: "f1"})
	m.must(err)
	m.wants("f", "text")
}

// TestStall: a call waits until the fault is over, others do not.
func TestStall(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	slow, fast := m.create("slow", 0), m.create("fast", 0)
	_, err := m.v.Sicken(cluster.Action{ID: "f1", Sick: &cluster.Sick{On: "write", Path: "slow", Stall: true, Chance: 1}})
	m.must(err)
	done := make(chan error, 1)
	go func() {
		_, err := slow.WriteString("x")
		done <- err
	}()
	m.write(fast, "x")
	select {
	case <-done:
		t.Fatal("the write did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	effect, err := m.v.Heal(cluster.Action{ID: "f1"})
	m.must(err)
	m.must(<-done)
	if effect.Counts[cluster.CallsDelayed] != 1 {
		t.Errorf("counted %v", effect.Counts)
	}
}

// TestFlip: bits are flipped where something is written, and seen at once.
func TestFlip(t *testing.T) {
	m := mount(t, cluster.NamesOrdered)
	f := m.create("1.blk", 0)
	m.must(f.Truncate(1 << 20))
	_, err := f.WriteAt([]byte("text"), 512*100)
	m.must(err)
	m.must(f.Sync())
	m.write(m.create("other", 0), "text")
	before, err := os.ReadFile(m.path("1.blk"))
	m.must(err)
	effect, err := m.v.Flip(cluster.Action{Bits: &cluster.Bits{Path: "**/*.blk", Count: 1}, Seed: 3})
	m.must(err)
	after, err := os.ReadFile(m.path("1.blk"))
	m.must(err)
	different := 0
	for i := range before {
		if before[i] != after[i] {
			different++
		}
	}
	if effect.Counts[cluster.BitsFlipped] != 1 || uint64(different) != effect.Counts[cluster.BitsFlipped] {
		t.Errorf("%d bytes differ, counted %v", different, effect.Counts)
	}
	m.wants("other", "text")
	if _, err := m.v.Flip(cluster.Action{Bits: &cluster.Bits{Path: "none", Count: 1}}); err == nil {
		t.Error("nothing matches, and nobody says so")
	}
}
