package fleet

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// ErrNoProgram is wrapped by the error for a host whose system and architecture we have no program for.
var ErrNoProgram = errors.New("no p2pcp for this host")

// maxProgram is the most that a program may have, in bytes.
const maxProgram = 256 << 20

// program is what is sent to a host. Not changed once it is made.
type program struct {
	sum    string // SHA-256, hex
	crc    string // what cksum prints first
	raw    []byte
	packed []byte // by gzip
}

// name is its file's on a host: another build has another one.
func (p *program) name() string { return "p2pcp-" + p.sum[:16] }

// Programs finds the program for a host. Safe for concurrent use.
type Programs struct {
	Self   string // the program that runs here
	System string // its GOOS
	Arch   string // its GOARCH
	Dir    string // where others lie, p2pcp_VERSION_SYSTEM_ARCH each; empty: nowhere

	mu   sync.Mutex
	made map[string]func() (*program, error) // by file
}

// find returns the program for what uname -s and -m say.
func (l *Programs) find(uname, machine string) (*program, error) {
	system, arch := platform(uname, machine)
	path := l.Self
	if system != l.System || arch != l.Arch {
		var err error
		if path, err = l.inDir(system, arch); err != nil {
			return nil, fmt.Errorf("%w (%s %s): %w", ErrNoProgram, uname, machine, err)
		}
	}
	l.mu.Lock()
	if l.made == nil {
		l.made = map[string]func() (*program, error){}
	}
	if l.made[path] == nil {
		l.made[path] = sync.OnceValues(func() (*program, error) { return readProgram(path) })
	}
	read := l.made[path]
	l.mu.Unlock()
	return read()
}

// inDir is the newest release's file for a system, by the order of names.
func (l *Programs) inDir(system, arch string) (string, error) {
	if l.Dir == "" {
		return "", errors.New("name a directory with the releases' binaries with --bin-dir")
	}
	all, err := os.ReadDir(l.Dir)
	if err != nil {
		return "", fmt.Errorf("look into --bin-dir: %w", err)
	}
	var fit []string
	for _, f := range all {
		name := f.Name()
		if strings.HasPrefix(name, "p2pcp_") && strings.HasSuffix(name, "_"+system+"_"+arch) {
			fit = append(fit, name)
		}
	}
	if len(fit) == 0 {
		return "", fmt.Errorf("--bin-dir has no p2pcp_VERSION_%s_%s", system, arch)
	}
	return filepath.Join(l.Dir, slices.Max(fit)), nil
}

// platform is GOOS and GOARCH for what uname says; what isn't known stays as it is.
func platform(uname, machine string) (system, arch string) {
	switch machine {
	case "x86_64":
		machine = "amd64"
	case "aarch64":
		machine = "arm64"
	}
	return strings.ToLower(uname), machine
}

func readProgram(path string) (*program, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the program to send: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxProgram+1))
	if err == nil && len(raw) > maxProgram {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxProgram)
	}
	if err != nil {
		return nil, fmt.Errorf("read the program to send: %w", err)
	}
	var packed bytes.Buffer
	// The hosts wait for it: the default level takes twice the time for 4 % less. A buffer takes everything, and the level is one.
	z, _ := gzip.NewWriterLevel(&packed, 3)
	_, _ = z.Write(raw)
	_ = z.Close()
	sum := sha256.Sum256(raw)
	return &program{sum: hex.EncodeToString(sum[:]), crc: fmt.Sprint(cksum(raw)), raw: raw, packed: packed.Bytes()}, nil
}

// cksum is the checksum of POSIX's cksum: CRC-32 of the bytes and then of their number, the low byte first, most significant bit
// first, inverted. (hash/crc32 goes the other way round.)
func cksum(b []byte) uint32 {
	const polynomial = 0x04c11db7
	var table [256]uint32
	for i := range table {
		c := uint32(i) << 24
		for range 8 {
			if carry := c >> 31; carry == 1 {
				c = c<<1 ^ polynomial
			} else {
				c <<= 1
			}
		}
		table[i] = c
	}
	var c uint32
	for _, x := range b {
		c = c<<8 ^ table[byte(c>>24)^x]
	}
	for n := len(b); n > 0; n >>= 8 {
		c = c<<8 ^ table[byte(c>>24)^byte(n)]
	}
	return ^c
}
