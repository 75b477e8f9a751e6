package undo

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// inode is the obvious model of a file or directory: what it is, and what of it a
// disk would hold, each whole.
type inode struct {
	dir           bool
	data, durable []byte
	entries, disk map[string]*inode
}

func newDir() *inode {
	return &inode{dir: true, entries: map[string]*inode{}, disk: map[string]*inode{}}
}

// place is a name in a directory.
type place struct {
	in   *inode
	name string
}

// model is a file system that keeps everything twice.
type model struct {
	mode    string
	root    *inode
	all     []*inode
	renames [][2]place // not durable
	open    []*inode
}

func (m *model) changed(p place) {
	if m.mode == cluster.NamesDurable {
		m.settle(p)
	}
}

func (m *model) settle(p place) {
	if now, ok := p.in.entries[p.name]; ok {
		p.in.disk[p.name] = now
	} else {
		delete(p.in.disk, p.name)
	}
}

func (m *model) syncAll() {
	for _, i := range m.all {
		for _, p := range i.places() {
			m.settle(p)
		}
	}
	m.renames = nil
}

func (i *inode) places() (list []place) {
	for name := range i.entries {
		list = append(list, place{i, name})
	}
	for name := range i.disk {
		list = append(list, place{i, name})
	}
	return list
}

func (m *model) syncFile(i *inode) {
	i.durable = bytes.Clone(i.data)
	if m.mode == cluster.NamesOrdered {
		m.syncAll()
	}
}

// syncDir of posix settles the names of a directory, and with one name of a rename
// the other.
func (m *model) syncDir(d *inode) {
	if m.mode == cluster.NamesOrdered {
		m.syncAll()
		return
	}
	due := map[place]bool{}
	for _, p := range d.places() {
		due[p] = true
	}
	for _, r := range m.renames { // names of a rename may have been removed since
		for _, p := range r {
			if p.in == d {
				due[p] = true
			}
		}
	}
	for more := true; more; {
		more = false
		for _, r := range m.renames {
			if due[r[0]] != due[r[1]] {
				due[r[0]], due[r[1]], more = true, true, true
			}
		}
	}
	for p := range due {
		m.settle(p)
	}
	m.renames = slices.DeleteFunc(m.renames, func(r [2]place) bool { return due[r[0]] })
}

// cut makes everything what the disk holds.
func (m *model) cut() {
	for _, i := range m.all {
		if i.dir {
			i.entries = map[string]*inode{}
			for name, to := range i.disk {
				i.entries[name] = to
			}
			continue
		}
		i.data = bytes.Clone(i.durable)
	}
	m.renames, m.open = nil, nil
}

func (m *model) tree(i *inode, at string, into map[string]string) {
	for name, e := range i.entries {
		path := at + "/" + name
		if e.dir {
			into[path] = "dir"
			m.tree(e, path, into)
			continue
		}
		into[path] = string(e.data)
	}
}

func realTree(t *testing.T, root string) map[string]string {
	t.Helper()
	into := map[string]string{}
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == root {
			return err
		}
		if info.IsDir() {
			into[strings.TrimPrefix(path, root)] = "dir"
			return nil
		}
		text, err := os.ReadFile(path)
		into[strings.TrimPrefix(path, root)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return into
}

// opened is a file that the test has open.
type opened struct {
	f  *os.File
	st *File
}

// both does the same to the store and to the model.
type both struct {
	t     *testing.T
	s     *Store
	m     *model
	rng   *rand.Rand
	files []opened
	log   []string
}

func newBoth(t *testing.T, mode string, seed uint64) *both {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "data"), filepath.Join(dir, "beside"), Options{Names: mode, NoSync: seed%2 == 0})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.pages.memory, s.pages.limit = 3, mostPages // most go to the file
	m := &model{mode: mode, root: newDir()}
	m.all = append(m.all, m.root)
	return &both{t: t, s: s, m: m, rng: rand.New(rand.NewPCG(seed, 1))}
}

var someNames = []string{"a", "b", "c"}

// path picks a directory that is there, and a name in it.
func (b *both) path() (*inode, string, string) {
	d, at := b.m.root, b.s.Root()
	for b.rng.IntN(2) == 0 {
		name := someNames[b.rng.IntN(len(someNames))]
		below := d.entries[name]
		if below == nil || !below.dir {
			break
		}
		d, at = below, filepath.Join(at, name)
	}
	return d, at, someNames[b.rng.IntN(len(someNames))]
}

func (b *both) say(format string, args ...any) { b.log = append(b.log, fmt.Sprintf(format, args...)) }

func (b *both) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("%v after\n%s", err, strings.Join(b.log, "\n"))
	}
}

// wrong wants one errno, if any.
func (b *both) wants(err error, want syscall.Errno) bool {
	b.t.Helper()
	if want == 0 {
		b.must(err)
		return true
	}
	if err != want {
		b.t.Fatalf("error %v, want %v after\n%s", err, want, strings.Join(b.log, "\n"))
	}
	return false
}

func (b *both) step() {
	if b.rng.IntN(60) == 0 {
		b.age()
		return
	}
	switch b.rng.IntN(12) {
	case 0, 1:
		b.create()
	case 2:
		b.mkdir()
	case 3, 4:
		b.remove()
	case 5, 6:
		b.rename()
	case 7:
		b.link()
	case 8:
		b.syncDir()
	default:
		b.file()
	}
}

// age has both take what is there for durable.
func (b *both) age() {
	b.say("age")
	b.s.Age()
	for _, i := range b.m.all {
		i.durable = bytes.Clone(i.data)
	}
	b.m.syncAll()
	if kept := b.s.pages.count(); kept != 0 {
		b.t.Fatalf("%d pages are kept of what is durable; after\n%s", kept, strings.Join(b.log, "\n"))
	}
}

func (b *both) create() {
	d, at, name := b.path()
	if e := d.entries[name]; e != nil && e.dir {
		return
	}
	b.say("create %s/%s", at, name)
	var f *os.File
	b.must(b.s.Made(at, name, func() (err error) {
		f, err = os.OpenFile(filepath.Join(at, name), os.O_RDWR|os.O_CREATE, 0o600)
		return err
	}))
	st, err := b.s.Use(int(f.Fd()))
	b.must(err)
	e := d.entries[name]
	if e == nil {
		e = &inode{}
		b.m.all = append(b.m.all, e)
		d.entries[name] = e
		b.m.changed(place{d, name})
	}
	b.files, b.m.open = append(b.files, opened{f, st}), append(b.m.open, e)
	if len(b.files) > 5 {
		b.close(0)
	}
}

func (b *both) close(i int) {
	b.s.Done(b.files[i].st)
	b.must(b.files[i].f.Close())
	b.files, b.m.open = slices.Delete(b.files, i, i+1), slices.Delete(b.m.open, i, i+1)
}

func (b *both) mkdir() {
	d, at, name := b.path()
	if d.entries[name] != nil {
		return
	}
	b.say("mkdir %s/%s", at, name)
	b.must(b.s.Made(at, name, func() error { return os.Mkdir(filepath.Join(at, name), 0o700) }))
	e := newDir()
	b.m.all = append(b.m.all, e)
	d.entries[name] = e
	b.m.changed(place{d, name})
}

func (b *both) remove() {
	d, at, name := b.path()
	e := d.entries[name]
	if e == nil {
		return
	}
	b.say("remove %s/%s", at, name)
	want := syscall.Errno(0)
	if len(e.entries) > 0 {
		want = syscall.ENOTEMPTY
	}
	if b.wants(b.s.Remove(at, name, e.dir), want) {
		delete(d.entries, name)
		b.m.changed(place{d, name})
	}
}

func (b *both) rename() {
	d, at, name := b.path()
	d2, at2, name2 := b.path()
	from, to := filepath.Join(at, name), filepath.Join(at2, name2)
	e, over := d.entries[name], d2.entries[name2]
	if e == nil || strings.HasPrefix(to+"/", from+"/") || strings.HasPrefix(from+"/", to+"/") {
		return // the kernel refuses those before it asks
	}
	b.say("rename %s %s", from, to)
	want := syscall.Errno(0)
	switch {
	case over == e:
		b.must(b.s.Rename(at, name, at2, name2, true))
		return
	case over == nil:
	case e.dir && !over.dir:
		want = syscall.ENOTDIR
	case !e.dir && over.dir:
		want = syscall.EISDIR
	case over.dir && len(over.entries) > 0:
		want = syscall.ENOTEMPTY
	}
	if b.wants(b.s.Rename(at, name, at2, name2, true), want) {
		delete(d.entries, name)
		d2.entries[name2] = e
		b.m.changed(place{d, name})
		b.m.changed(place{d2, name2})
		if b.m.mode == cluster.NamesPosix {
			b.m.renames = append(b.m.renames, [2]place{{d, name}, {d2, name2}})
		}
	}
}

func (b *both) link() {
	d, at, name := b.path()
	d2, at2, name2 := b.path()
	e := d.entries[name]
	if e == nil || e.dir || d2.entries[name2] != nil {
		return
	}
	b.say("link %s/%s %s/%s", at, name, at2, name2)
	b.must(b.s.Made(at2, name2, func() error { return os.Link(filepath.Join(at, name), filepath.Join(at2, name2)) }))
	d2.entries[name2] = e
	b.m.changed(place{d2, name2})
}

func (b *both) syncDir() {
	d, at, _ := b.path()
	b.say("sync %s", at)
	b.must(b.s.SyncDir(at))
	b.m.syncDir(d)
}

// file does something to an open file, whatever has become of its name.
func (b *both) file() {
	if len(b.files) == 0 {
		return
	}
	i := b.rng.IntN(len(b.files))
	f, e := b.files[i], b.m.open[i]
	fd := int(f.f.Fd())
	off := b.rng.Int64N(5 * Page)
	switch b.rng.IntN(6) {
	case 0, 1, 2:
		data := bytes.Repeat([]byte{byte(1 + b.rng.IntN(255))}, 1+b.rng.IntN(2*Page))
		if b.rng.IntN(3) == 0 {
			off = int64(len(e.data))
		}
		b.say("write %s %d+%d", f.f.Name(), off, len(data))
		_, err := f.st.Write(fd, data, off)
		b.must(err)
		e.data = grown(e.data, off+int64(len(data)))
		copy(e.data[off:], data)
	case 3:
		b.say("truncate %s %d", f.f.Name(), off)
		b.must(f.st.Truncate(fd, off))
		e.data = grown(e.data, off)[:off]
	case 4:
		n := 1 + b.rng.Int64N(2*Page)
		b.say("punch %s %d+%d", f.f.Name(), off, n)
		b.must(f.st.Allocate(fd, 3, off, n))
		if off < int64(len(e.data)) {
			clear(e.data[off:min(off+n, int64(len(e.data)))])
		}
	case 5:
		b.say("sync %s", f.f.Name())
		on, err := f.st.Sync(false)
		b.must(err)
		if !on {
			b.t.Fatal("the power is on")
		}
		b.m.syncFile(e)
	}
}

func grown(b []byte, to int64) []byte {
	if n := to - int64(len(b)); n > 0 {
		b = append(b, make([]byte, n)...)
	}
	return b
}

func (b *both) compare(what string) {
	b.t.Helper()
	want := map[string]string{}
	b.m.tree(b.m.root, "", want)
	got := realTree(b.t, b.s.Root())
	for path := range want {
		if got[path] != want[path] {
			b.t.Fatalf("%s: %s has %s, want %s; after\n%s", what, path, brief(got, path), brief(want, path), strings.Join(b.log, "\n"))
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			b.t.Fatalf("%s: %s is there; after\n%s", what, path, strings.Join(b.log, "\n"))
		}
	}
}

func brief(in map[string]string, path string) string {
	text, ok := in[path]
	if !ok {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes", len(text))
}

// TestModel does at random what programs do, cuts the power now and then, and wants
// what the obvious model says is left.
func TestModel(t *testing.T) {
	rounds := uint64(60)
	if testing.Short() {
		rounds = 10
	}
	for _, mode := range []string{cluster.NamesOrdered, cluster.NamesPosix, cluster.NamesDurable} {
		t.Run(mode, func(t *testing.T) {
			for seed := range rounds {
				b := newBoth(t, mode, seed)
				for range 4 {
					for range 40 {
						b.step()
					}
					b.compare("before the cut")
					for len(b.files) > 0 && b.rng.IntN(2) == 0 {
						b.close(0)
					}
					b.cut()
				}
				if kept := b.s.pages.count(); kept != 0 {
					t.Fatalf("%d pages are still kept", kept)
				}
			}
		})
	}
}

func (b *both) cut() {
	b.say("cut")
	b.s.Shut()
	b.s.Free()
	for _, f := range b.files {
		b.must(f.f.Close())
	}
	b.files = nil
	_, err := b.s.Rollback(0, 0)
	b.must(err)
	b.m.cut()
	b.compare("after the cut")
	stash, err := os.ReadDir(filepath.Join(filepath.Dir(b.s.Root()), "beside", "stash"))
	b.must(err)
	if len(stash) > 0 {
		b.t.Fatalf("the stash still has %v; after\n%s", stash, strings.Join(b.log, "\n"))
	}
}
