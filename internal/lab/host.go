package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Shaping: a bucket of burstTime, at least one of the largest packets that the kernel hands on whole (64 KiB, for which tbf counts the
// headers of each of its 45 segments; what doesn't fit is cut into them, at many times the cost), and a queue of queueTime as a
// switch has it.
const (
	burstTime = 2 * time.Millisecond
	burstMin  = 80 << 10 // bytes
	queueTime = 20 * time.Millisecond
)

// Host is one host of a Lab.
type Host struct {
	lab         *Lab
	space       *space
	port        string // the hub's end of the link
	addr, addr6 netip.Addr
}

// Name is the host name, node1 for the first.
func (h *Host) Name() string { return "node" + strings.TrimPrefix(h.port, "h") }

// Addr is the IPv4 address, Addr6 the IPv6 one.
func (h *Host) Addr() netip.Addr { return h.addr }

// Addr6 is the IPv6 address.
func (h *Host) Addr6() netip.Addr { return h.addr6 }

// Path is the name by which this process (not one in a host) reaches a host's file, given by its absolute path inside.
func (h *Host) Path(inside string) string { return h.space.path(inside) }

// Command is exec.CommandContext inside the host. It starts in Scratch whatever Dir says, its Process is the program itself, and
// its Env has HOME, TMPDIR and XDG_RUNTIME_DIR of the host's own; programs are looked up inside. It dies with this process, and so does
// whatever it leaves behind.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return command(ctx, h.space, name, args)
}

// Command is the same in the hub: on the hosts' network, with no limit to its rate. Its Scratch is the machine's.
func (l *Lab) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return command(ctx, l.hub, name, args)
}

func command(ctx context.Context, s *space, name string, args []string) *exec.Cmd {
	line := s.enter(append([]string{name}, args...)...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.SysProcAttr = childAttr()
	cmd.Env = env()
	cmd.Dir = "/"
	return cmd
}

// SetRate changes the link's rate, each way; 0 lifts the limit.
func (h *Host) SetRate(r Rate) error {
	return errors.Join(h.space.shape("eth0", r), h.lab.hub.shape(h.port, r))
}

// shape limits what a device sends.
func (s *space) shape(dev string, r Rate) error {
	// A plain queue instead of none: there may be none to delete.
	queue := []string{"pfifo", "limit", "1000"}
	if r > 0 {
		burst := max(uint64(float64(r)/8*burstTime.Seconds()), burstMin)
		queue = []string{"tbf", "rate", fmt.Sprintf("%dbit", r), "burst", fmt.Sprintf("%db", burst), "latency", queueTime.String()}
	}
	return s.run(append([]string{"tc", "qdisc", "replace", "dev", dev, "root"}, queue...)...)
}

// LinkDown pulls the host's cable, at the switch's end: the host keeps its addresses and sees no carrier.
func (h *Host) LinkDown() error { return h.lab.hub.ip("link set " + h.port + " down") }

// LinkUp puts it back.
func (h *Host) LinkUp() error { return h.lab.hub.ip("link set " + h.port + " up") }

// Sent is how many bytes the host has put on its link, with all headers but the wire's.
func (h *Host) Sent() (uint64, error) {
	sent, _, err := h.Counters()
	return sent, err
}

// Received is how many bytes came in by its link.
func (h *Host) Received() (uint64, error) {
	_, received, err := h.Counters()
	return received, err
}

// Counters are both, of one moment.
func (h *Host) Counters() (sent, received uint64, err error) { return h.space.counters("eth0") }

// counters reads what a device has sent and received.
func (s *space) counters(dev string) (sent, received uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", s.pid()))
	if err != nil {
		return 0, 0, fmt.Errorf("read counters: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); strings.TrimSpace(name) == dev && len(fields) > 8 {
			received, err = strconv.ParseUint(fields[0], 10, 64)
			if err == nil {
				sent, err = strconv.ParseUint(fields[8], 10, 64)
			}
			return sent, received, err
		}
	}
	return 0, 0, fmt.Errorf("read counters: there is no %s", dev)
}
