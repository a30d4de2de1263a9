// Package lab makes hosts out of Linux namespaces, for tests and benchmarks that need several: each has its own network, mount
// and UTS namespace, so one command line on eight hosts has eight targets and eight names. It needs root, iproute2, util-linux
// and, for SSHD, OpenSSH.
//
// A Lab is a hub and its hosts. The hub is a namespace with a bridge, or two with one link between (zones); nothing of it is visible
// outside. Host i is named node<i>, has eth0 on the bridge with 10.77.x.y and fd77::x:y, an own tmpfs at Scratch, and sees the rest of the machine's files as they
// are, but for /run (its own tmpfs), Shared (one tmpfs for the whole Lab) and /etc/hosts (which knows all hosts by name).
//
// Nothing has a name outside and nothing lies on a disk. Each namespace is held by a shell that waits for the end of its stdin,
// a pipe of this process: on Close, and on any other end of this process, the shell kills whatever lives in the namespace,
// detached grandchildren too, and ends; the kernel removes interfaces and file systems with their last user.
//
// The methods of one Lab and its hosts may be called from several goroutines, Close once all others have returned.
package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Places inside every host and the hub. They hide what the machine has there.
const (
	Scratch = "/mnt"   // a tmpfs of the host's own, its commands' working directory
	Shared  = "/media" // one tmpfs for the whole Lab
	own     = "/run"   // the host's own HOME, TMPDIR and XDG_RUNTIME_DIR are below it
)

const (
	maxHosts       = 4096
	defaultScratch = 1 << 30
	sharedBytes    = 64 << 20
)

// ErrUnavailable is wrapped by New's error where a Lab can't work: not Linux, not root, or a tool is missing.
var ErrUnavailable = errors.New("no lab here")

// Rate is in bits per second; 0 is unlimited.
type Rate uint64

// Mbit is a million bits per second.
const Mbit Rate = 1_000_000

// Config says what to make.
type Config struct {
	Hosts   int    // how many, 1..4096
	Rate    Rate   // of each host's link, each way
	Far     int    // of them, so many of the last are on a second bridge; the link between has Rate each way
	Scratch uint64 // size of each host's Scratch in bytes; 0: 1 GiB. It is memory, used as it is filled
}

// Lab is a set of hosts on one bridge.
type Lab struct {
	hub   *space
	hosts []*Host

	mu      sync.Mutex
	keys    bool // SSH's keys and files are there
	servers []*exec.Cmd
}

// Available tells whether New can work here.
func Available() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: needs Linux", ErrUnavailable)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: needs root", ErrUnavailable)
	}
	for _, tool := range []string{"ip", "tc", "nsenter", "unshare", "mount", "sh", "stat"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

// New makes the hosts, links up and addresses usable. The caller closes the Lab.
func New(cfg Config) (*Lab, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	if cfg.Hosts < 1 || cfg.Hosts > maxHosts {
		return nil, fmt.Errorf("lab of %d hosts: not in 1..%d", cfg.Hosts, maxHosts)
	}
	if cfg.Far < 0 || cfg.Far >= cfg.Hosts {
		return nil, fmt.Errorf("lab of %d hosts: %d far ones", cfg.Hosts, cfg.Far)
	}
	if cfg.Scratch == 0 {
		cfg.Scratch = defaultScratch
	}
	l := &Lab{}
	if err := l.build(cfg); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// build makes the hub and the hosts.
func (l *Lab) build(cfg Config) error {
	hub, err := newSpace(nil, "hub", fmt.Sprintf("mount -t tmpfs -o size=%d lab %s", sharedBytes, Shared))
	if err != nil {
		return err
	}
	l.hub = hub
	if err := os.WriteFile(hub.path(Shared+"/hosts"), hostsFile(cfg.Hosts), 0o644); err != nil {
		return fmt.Errorf("write hosts file: %w", err)
	}
	if err := hub.run("mount", "--bind", Shared+"/hosts", "/etc/hosts"); err != nil {
		return err
	}
	hubAddr, hubAddr6 := addrs(0)
	err = hub.ip(
		fmt.Sprintf("link add br0 address %s type bridge", mac(0)),
		"link set br0 up",
		fmt.Sprintf("addr add %v/16 dev br0", hubAddr),
		fmt.Sprintf("addr add %v/64 dev br0 nodad", hubAddr6),
	)
	if err != nil {
		return err
	}
	if err := l.split(cfg); err != nil {
		return err
	}
	for i := 1; i <= cfg.Hosts; i++ {
		if err := l.addHost(i, cfg); err != nil {
			return fmt.Errorf("make %s: %w", hostName(i), err)
		}
	}
	return l.introduce()
}

// maxIntroduced is how many hosts know all others from the start: the work grows with the square.
const maxIntroduced = 256

// introduce tells the hosts each other's hardware addresses for good. What they would learn by themselves goes into one table for
// all namespaces of the machine, of 1024 entries (gc_thresh3): a mesh of 32 hosts fills it, and then connections fail.
func (l *Lab) introduce() error {
	if len(l.hosts) > maxIntroduced {
		return nil
	}
	for k, h := range l.hosts {
		var known []string
		for i := range len(l.hosts) + 1 {
			if i != k+1 {
				v4, v6 := addrs(i)
				known = append(known, fmt.Sprintf("neigh replace %v lladdr %s dev eth0 nud permanent", v4, mac(i)),
					fmt.Sprintf("neigh replace %v lladdr %s dev eth0 nud permanent", v6, mac(i)))
			}
		}
		if err := h.space.ip(known...); err != nil {
			return err
		}
	}
	return nil
}

// addHost makes host i and its link.
func (l *Lab) addHost(i int, cfg Config) error {
	s, err := newSpace(l.hub, hostName(i), fmt.Sprintf("mount -t tmpfs -o size=%d lab %s", cfg.Scratch, Scratch))
	if err != nil {
		return err
	}
	h := &Host{lab: l, space: s, port: fmt.Sprintf("h%d", i)}
	h.addr, h.addr6 = addrs(i)
	l.hosts = append(l.hosts, h)
	err = l.hub.ip(
		fmt.Sprintf("link add %s type veth peer name eth0 address %s netns %d", h.port, mac(i), s.pid()),
		fmt.Sprintf("link set %s master %s up", h.port, cfg.bridge(i)),
	)
	if err != nil {
		return err
	}
	err = s.ip(
		"link set eth0 up",
		fmt.Sprintf("addr add %v/16 dev eth0 noprefixroute", h.addr),
		fmt.Sprintf("addr add %v/64 dev eth0 nodad noprefixroute", h.addr6),
		fmt.Sprintf("route add 10.77.0.0/16 dev eth0 src %v congctl cubic", h.addr),
		"route add fd77::/64 dev eth0 congctl cubic",
	)
	if err != nil {
		return err
	}
	return h.SetRate(cfg.Rate)
}

// Host is host i, from 1 (node1) on.
func (l *Lab) Host(i int) *Host { return l.hosts[i-1] }

// Hosts are all hosts, node1 first.
func (l *Lab) Hosts() []*Host { return append([]*Host(nil), l.hosts...) }

// Close kills all that runs in the Lab, detached processes too, and removes everything. It may be called again.
func (l *Lab) Close() error {
	var ends []*space
	for _, h := range l.hosts {
		ends = append(ends, h.space)
	}
	if l.hub != nil {
		ends = append(ends, l.hub)
	}
	for _, s := range ends {
		s.release()
	}
	var errs []error
	for _, s := range ends {
		errs = append(errs, s.wait())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cmd := range l.servers {
		_ = cmd.Wait() // it was killed
	}
	l.hub, l.hosts, l.servers = nil, nil, nil
	return errors.Join(errs...)
}

// hostName is host i's.
func hostName(i int) string { return fmt.Sprintf("node%d", i) }

// number is the last two bytes of host i's addresses; 0 is the hub.
func number(i int) (hi, lo byte) {
	if i == 0 {
		i = 0xfffe
	}
	return byte(i >> 8), byte(i)
}

// mac is host i's hardware address.
func mac(i int) string {
	hi, lo := number(i)
	return fmt.Sprintf("02:77:00:00:%02x:%02x", hi, lo)
}

// addrs are host i's addresses.
func addrs(i int) (v4, v6 netip.Addr) {
	hi, lo := number(i)
	return netip.AddrFrom4([4]byte{10, 77, hi, lo}), netip.AddrFrom16([16]byte{0xfd, 0x77, 13: hi, 15: lo})
}

// hostsFile is /etc/hosts of a Lab of n hosts.
func hostsFile(n int) []byte {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for i := range n + 1 {
		name := "hub"
		if i > 0 {
			name = hostName(i)
		}
		v4, v6 := addrs(i)
		fmt.Fprintf(&b, "%v %s\n%v %s\n", v4, name, v6, name)
	}
	return []byte(b.String())
}

// env is the environment of commands in the Lab: ours, with everything that a program keeps per user or host inside the host.
func env() []string {
	all := []string{
		"HOME=" + filepath.Join(own, "home"), "TMPDIR=" + filepath.Join(own, "tmp"), "XDG_RUNTIME_DIR=" + filepath.Join(own, "user"),
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if name != "HOME" && name != "TMPDIR" && !strings.HasPrefix(name, "XDG_") {
			all = append(all, v)
		}
	}
	return all
}
