package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// nodeRepository is the name of the images built from the aftershock binary.
const nodeRepository = "aftershock/node"

// binaryPath is where the aftershock binary is in every node.
const binaryPath = "/aftershock"

// nodeDockerfile makes the node image: nothing but the static binary, which
// comes last so that the engine's cache keeps the steps before it.
const nodeDockerfile = `FROM scratch
LABEL ` + labelImage + `=1
ENTRYPOINT ["` + binaryPath + `", "agent"]
COPY aftershock ` + binaryPath + `
`

// errDynamic says that a binary cannot run in an image that holds nothing else.
var errDynamic = errors.New("not a static binary; build it with CGO_ENABLED=0 go build")

// checkStatic refuses a binary that needs a dynamic loader: neither an image
// made FROM scratch nor a foreign image can be relied on to have one.
func checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w: a Linux binary is needed", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s: %w", path, errDynamic)
		}
	}
	return nil
}

// nodeImage returns the image of the binary, building it if the engine does
// not have it. Two builds of one binary at the same time are harmless: both
// give the tag to an image of the same content.
func (e *engine) nodeImage(ctx context.Context, p *testcontainers.DockerProvider, hashes *hashCache, binary string) (string, client.ImageInspectResult, error) {
	hash, err := hashes.of(binary)
	if err != nil {
		return "", client.ImageInspectResult{}, err
	}
	name := nodeRepository + ":" + hash
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := e.api.ImageInspect(call, name)
	if err == nil || !notFound(err) {
		return name, res, err
	}
	if name, err = buildNodeImage(ctx, p, binary); err != nil {
		return name, res, err
	}
	call, cancel = context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err = e.api.ImageInspect(call, name)
	return name, res, err
}

// buildNodeImage reads the binary once, so that the tag tells the content that
// was sent even if the file is replaced meanwhile.
func buildNodeImage(ctx context.Context, p *testcontainers.DockerProvider, binary string) (string, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	h := newNodeHash()
	h.Write(content)
	archive, err := tarOf(tarFile{"Dockerfile", 0o644, []byte(nodeDockerfile)}, tarFile{"aftershock", 0o755, content})
	if err != nil {
		return "", fmt.Errorf("build context: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	name, err := p.BuildImage(ctx, &testcontainers.ContainerRequest{
		FromDockerfile: testcontainers.FromDockerfile{
			ContextArchive: bytes.NewReader(archive),
			Repo:           nodeRepository,
			Tag:            tagOf(h.Sum(nil)),
			KeepImage:      true,
		},
	})
	if err != nil {
		return "", fmt.Errorf("build the node image: %w", err)
	}
	return name, nil
}

// tarFile is one file of an archive.
type tarFile struct {
	name    string
	mode    int64
	content []byte
}

// tarOf packs files without times or owners: the same content gives the same
// archive, so that the engine's build cache works.
func tarOf(files ...tarFile) ([]byte, error) {
	var buf bytes.Buffer
	size := 1024
	for _, f := range files {
		size += 1024 + len(f.content)
	}
	buf.Grow(size)
	w := tar.NewWriter(&buf)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: path.Clean(f.name), Mode: f.mode, Size: int64(len(f.content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// newNodeHash hashes what makes a node image besides the binary.
func newNodeHash() interface {
	io.Writer
	Sum([]byte) []byte
} {
	h := sha256.New()
	io.WriteString(h, nodeDockerfile) //nolint:errcheck // a hash does not fail
	return h
}

func tagOf(sum []byte) string { return hex.EncodeToString(sum)[:16] }

// hashCache remembers the hashes of binaries by path, size and time, so that
// a process that launches often hashes once.
type hashCache struct {
	mu     sync.Mutex
	hashes map[hashKey]string
}

type hashKey struct {
	path string
	size int64
	time time.Time
}

func newHashCache() *hashCache { return &hashCache{hashes: make(map[hashKey]string)} }

// of returns the tag of the node image made of the binary.
func (c *hashCache) of(binary string) (string, error) {
	f, err := os.Open(binary)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	key := hashKey{binary, st.Size(), st.ModTime()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if tag, ok := c.hashes[key]; ok {
		return tag, nil
	}
	h := newNodeHash()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash %s: %w", binary, err)
	}
	tag := tagOf(h.Sum(nil))
	c.hashes[key] = tag
	return tag, nil
}

// isNodeImage tells whether a name is one that this package gives.
func isNodeImage(name string) bool { return strings.HasPrefix(name, nodeRepository+":") }
