package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLookupUser(t *testing.T) {
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(passwd, "root:x:0:0:root:/root:/bin/sh\n# note:x:1:1\nredis:x:999:1000:Redis:/data:/bin/false\n77:x:5:6::/seven:\nshort:x:8\nbad:x:9:many::/:\n\n")
	write(group, "root:x:0:\nredis:x:1000:\nssl:x:107:postgres,redis\nmail:x:8:redisx\n")
	for _, c := range []struct {
		spec string
		want account
		err  string
	}{
		{"", account{}, ""},
		{"redis", account{true, "redis", "/data", 999, 1000, []uint32{1000, 107}, false}, ""},
		{"999", account{true, "redis", "/data", 999, 1000, []uint32{1000, 107}, false}, ""},
		{"redis:ssl", account{true, "redis", "/data", 999, 107, []uint32{107}, false}, ""},
		{"77", account{true, "77", "/seven", 5, 6, []uint32{6}, false}, ""}, // names go first
		{"12345:54321", account{true, "", "", 12345, 54321, []uint32{54321}, false}, ""},
		{"12345", account{true, "", "", 12345, 0, []uint32{0}, false}, ""},
		{"nosuch", account{}, `user "nosuch": not found in ` + passwd},
		{"redis:nosuch", account{}, `user "redis:nosuch": not found in ` + group},
		{"short", account{}, "not found"},
		{"bad", account{}, `bad group ID "many"`},
		{"4294967295", account{}, "not found"},
		{"-1", account{}, "not found"},
	} {
		got, err := lookupUser(c.spec, passwd, group)
		if c.err == "" && (err != nil || !slices.Equal(got.groups, c.want.groups)) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: %+v, %v", c.spec, got, err)
			continue
		}
		got.groups, c.want.groups = nil, nil
		if got.specified != c.want.specified || got.name != c.want.name || got.home != c.want.home || got.uid != c.want.uid || got.gid != c.want.gid {
			t.Errorf("%q: %+v, want %+v", c.spec, got, c.want)
		}
	}
	if a, err := lookupUser("7:8", dir+"/none", dir+"/none"); err != nil || a.uid != 7 || a.gid != 8 {
		t.Errorf("FROM scratch: %+v, %v", a, err)
	}
}

func TestMapped(t *testing.T) {
	const ordinary, root = "         0       1000          1\n", "         0          0 4294967295\n"
	for _, c := range []struct {
		maps string
		uid  uint32
		want bool
	}{
		{ordinary, 0, true}, {ordinary, 1, false}, {ordinary, 1000, false}, {root, 999, true}, {root, 4294967294, true},
		{"0 1000 1\n5 100000 10\n", 5, true}, {"0 1000 1\n5 100000 10\n", 14, true}, {"0 1000 1\n5 100000 10\n", 15, false}, {"", 0, false}, {"junk", 0, false},
	} {
		if got := mapped(c.maps, c.uid); got != c.want {
			t.Errorf("%q maps %d: %v", c.maps, c.uid, got)
		}
	}
}

func FuzzParseColons(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\nredis:x:999:1000:a,b:/data:", "redis")
	f.Add("::::\n#a:b:c\na:b:4294967295:0", "4294967294")
	f.Fuzz(func(t *testing.T, text, user string) {
		lines, err := parseColons(strings.NewReader(text))
		if err != nil {
			return
		}
		a, err := findUser(lines, user)
		if err == nil && (a.uid == 1<<32-1 || a.gid == 1<<32-1) {
			t.Errorf("%q in %q has an ID that means no change: %+v", user, text, a)
		}
		if err == nil && len(memberships(lines, a)) == 0 {
			t.Errorf("%q in %q is in no group", user, text)
		}
	})
}
