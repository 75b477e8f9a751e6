package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// account is whom a server runs as.
type account struct {
	specified bool // false: runs as the agent's own user
	name      string
	home      string
	uid       uint32
	gid       uint32
	groups    []uint32
	// nested: the account does not exist in the node's user namespace, which
	// has no other user than the agent's own (the local host as an ordinary
	// user). The server then runs in a user namespace of its own, in which the
	// agent's user has the account's number.
	nested bool
}

// credential is nil where nothing has to change, so that a node that may not
// switch users can still run as the agent's own.
func (a account) credential() *syscall.Credential {
	if !a.specified || a.isAgents() || a.nested {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
}

func (a account) isAgents() bool {
	return int(a.uid) == os.Geteuid() && int(a.gid) == os.Getegid()
}

// chown gives path to the account.
func (a account) chown(path string) error {
	if !a.specified || a.isAgents() || a.nested {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to the server's user: %w: the agent must be root of the node, with the user mapped into it", path, err)
	}
	return nil
}

// lookupUser is lookupUser in the place's own files.
func (p place) lookupUser(spec string) (account, error) {
	return lookupUser(spec, p.dir+"/etc/passwd", p.dir+"/etc/group")
}

// lookupUser resolves "", "name", "uid", and both with ":group" or ":gid", in
// the node's own files.
func lookupUser(spec, passwdFile, groupFile string) (account, error) {
	if spec == "" {
		return account{}, nil
	}
	user, group, hasGroup := strings.Cut(spec, ":")
	passwd, err := readLines(passwdFile)
	if err != nil {
		return account{}, err
	}
	groupLines, err := readLines(groupFile)
	if err != nil {
		return account{}, err
	}
	a, err := findUser(passwd, user)
	if err != nil {
		return account{}, fmt.Errorf("user %q: %w in %s: name a user of the node's image, or give uid:gid", spec, err, passwdFile)
	}
	a.specified = true
	if hasGroup {
		if a.gid, err = findGroup(groupLines, group); err != nil {
			return account{}, fmt.Errorf("user %q: %w in %s: name a group of the node's image, or give uid:gid", spec, err, groupFile)
		}
	}
	a.groups = memberships(groupLines, a)
	maps, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return account{}, fmt.Errorf("read the node's users: %w", err)
	}
	a.nested = !a.isAgents() && !mapped(string(maps), a.uid)
	return a, nil
}

// mapped tells whether a user exists in the namespace whose uid_map
// (user_namespaces(7)) this is.
func mapped(maps string, uid uint32) bool {
	for line := range strings.Lines(maps) {
		var first, outside, count uint32
		if n, _ := fmt.Sscan(line, &first, &outside, &count); n == 3 && uid >= first && uid-first < count {
			return true
		}
	}
	return false
}

// attributes are those with which the account's process is forked.
func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Credential: a.credential()}
	if a.nested {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: int(a.uid), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: int(a.gid), HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// readLines reads a user database; a missing one is empty (FROM scratch).
func readLines(file string) ([][]string, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look the server's user up: %w", err)
	}
	defer f.Close()
	return parseColons(f)
}

// maxDatabase bounds what is read of a user database.
const maxDatabase = 4 << 20

// parseColons splits the lines of passwd(5) or group(5). Comments and lines
// too short to hold an ID are left out.
func parseColons(r io.Reader) ([][]string, error) {
	var lines [][]string
	scanner := bufio.NewScanner(io.LimitReader(r, maxDatabase))
	scanner.Buffer(nil, maxDatabase)
	for scanner.Scan() {
		fields := strings.Split(strings.TrimSpace(scanner.Text()), ":")
		if len(fields) >= 3 && fields[0] != "" && fields[0][0] != '#' {
			lines = append(lines, fields)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read the user database: %w", err)
	}
	return lines, nil
}

var errNotListed = errors.New("not found")

// findUser finds a user by name, then by number. A number need not be listed.
func findUser(passwd [][]string, user string) (account, error) {
	byNumber, numberErr := parseID(user)
	for _, named := range []bool{true, false} {
		for _, f := range passwd {
			uid, err := parseID(f[2])
			if err != nil || len(f) < 4 {
				continue
			}
			if named && f[0] != user || !named && (numberErr != nil || uid != byNumber) {
				continue
			}
			gid, err := parseID(f[3])
			if err != nil {
				return account{}, fmt.Errorf("bad group ID %q", f[3])
			}
			a := account{name: f[0], uid: uid, gid: gid}
			if len(f) > 5 {
				a.home = f[5]
			}
			return a, nil
		}
	}
	if numberErr != nil {
		return account{}, errNotListed
	}
	return account{uid: byNumber}, nil
}

func findGroup(groups [][]string, group string) (uint32, error) {
	for _, f := range groups {
		if f[0] == group {
			return parseID(f[2])
		}
	}
	gid, err := parseID(group)
	if err != nil {
		return 0, errNotListed
	}
	return gid, nil
}

// memberships lists the account's groups: its own and those that name it.
func memberships(groups [][]string, a account) []uint32 {
	list := []uint32{a.gid}
	if a.name == "" {
		return list
	}
	for _, f := range groups {
		if len(f) < 4 {
			continue
		}
		for member := range strings.SplitSeq(f[3], ",") {
			if gid, err := parseID(f[2]); member == a.name && err == nil && gid != a.gid {
				list = append(list, gid)
			}
		}
	}
	return list
}

// parseID reads a user or group ID. The largest 32-bit number means "no
// change" to the kernel and is none.
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && n == 1<<32-1 {
		err = fmt.Errorf("ID %s is reserved", s)
	}
	return uint32(n), err
}
