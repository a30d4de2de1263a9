package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"p2pcp/internal/lab"
)

// What the faults of networks and disks are tried on.
const (
	netSize = 32 * mib
	netRate = 100 // Mbit/s
)

// all does something to every host.
func (r *rig) all(do func(h *lab.Host) error) {
	r.Helper()
	for _, h := range r.lab.Hosts() {
		r.must(do(h))
	}
}

// TestE2EFaultNetworks: networks that let only some things through. Nothing of it may cost more than the allowance.
func TestE2EFaultNetworks(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5, netRate)
	path, sum := r.file("model.bin", netSize)
	plain := r.plain(path, sum)
	const open = "--listen=:7750"
	for _, c := range []struct {
		name     string
		set      func(h *lab.Host) error
		seed     []string
		get      []string
		pingSays []string
	}{
		{"UDP is blocked", (*lab.Host).DropUDP, nil, nil, []string{"filtered", "a firewall blocks UDP"}},
		{"one open port a host, TCP and UDP", func(h *lab.Host) error { return h.OnlyPort(7750) }, []string{open}, []string{open}, nil},
		{"the ticket's first three addresses are dead", nil, []string{
			"--listen", ":7700", "--advertise", "10.77.200.1:7700", "--advertise", "[fd77::dead]:7700", "--advertise", "10.77.200.2:7700",
			"--advertise", r.host(0).Addr().String() + ":7700",
		}, nil, []string{"10.77.200.1:7700: no ", "ok "}},
		{"every host has four bridges with the same addresses, and no default route", (*lab.Host).Bridges, nil, nil, nil},
		{"IPv6 only", (*lab.Host).Only6, nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := r.with(t)
			if c.set != nil {
				r.all(c.set)
			}
			u := r.try(path, sum, nil, c.seed...)
			for _, h := range r.receivers() {
				u.fetch(h, c.get...)
			}
			took := u.slowest(2*time.Minute, r.receivers()...)
			said := "all receivers"
			if len(c.pingSays) > 0 {
				p := r.start(1, r.bin, "ping", u.ticket)
				r.good(20*time.Second, p)
				for _, want := range c.pingSays {
					if !strings.Contains(p.Out.String()+p.Err.String(), want) {
						t.Errorf("ping doesn't say %q:\n%s%s", want, p.Out, p.Err)
					}
				}
				said += "; ping says what is blocked"
			}
			inTime(t, c.name, plain, took, 0, "%s", said)
			u.over()
			r.all((*lab.Host).LetIn)
		})
	}
}

// TestE2EFaultNAT: two of five hosts can only dial out, through a router that gives them another address.
func TestE2EFaultNAT(t *testing.T) {
	t.Parallel()
	r := newRig(t, 6, faultRate)
	path, sum := r.file("model.bin", faultSize)
	plain := r.plain(path, sum)
	r.must(r.lab.NAT(r.host(4), r.host(5)))
	u := r.try(path, sum, r.receivers(), "--limit", "2M")
	lost := false
	u.until("half of it", time.Minute, func() bool {
		out := r.run(0, r.bin, "status", u.ticket)
		lost = lost || strings.Contains(out, "lost")
		_, held := r.journal(4, "model.bin")
		return held != nil && held.Count() > held.Len()/2
	})
	u.quit()
	if lost {
		t.Error("the seed called someone lost who was in session with it")
	}
	u = r.try(path, sum, r.receivers())
	took := u.slowest(2*time.Minute, r.receivers()...)
	inTime(t, "two of five receivers behind source NAT, they can only dial out", plain, took, 0, "all receivers")
	u.over()
}

// TestE2EFaultLoss: every twentieth packet is lost, on every link.
func TestE2EFaultLoss(t *testing.T) {
	t.Parallel()
	const share = 0.05
	r := newRig(t, 5, faultRate)
	path, sum := r.file("model.bin", netSize)
	plain := r.plain(path, sum)
	r.all((*lab.Host).OnePacket)
	r.all(func(h *lab.Host) error { return h.Lose(share) })
	alone := r.plainCopy(path, 0, 1)
	u := r.try(path, sum, r.receivers())
	took := u.slowest(3*time.Minute, r.receivers()...)
	survived(t, "5 % of all packets are lost", plain, took, "all 4 receivers; a plain TCP copy to one of them takes %.1f s at the same loss", alone.Seconds())
	if took > alone*3/2 {
		t.Errorf("all receivers took %s, a plain copy %s", took, alone)
	}
	u.over()
}

// copyEnv makes the test binary one end of a plain copy over TCP: send ADDR FILE, or take ADDR.
const copyEnv = "P2PCP_E2E_COPY"

// plainCopy is how long a file takes from one host to another over one TCP connection.
func (r *rig) plainCopy(path string, from, to int) time.Duration {
	r.Helper()
	self, err := os.Executable()
	r.must(err)
	addr := fmt.Sprintf("%s:7601", r.host(to).Addr())
	taker := r.start(to, "env", copyEnv+"=take "+addr, self)
	r.until("the taker", 10*time.Second, func() bool { return strings.Contains(taker.Out.String(), "ready") })
	begin := time.Now()
	r.start(from, "env", copyEnv+"=send "+addr+" "+path, self)
	if code := r.wait(taker, 3*time.Minute); code != 0 {
		r.Fatalf("plain copy: %s", taker.Err)
	}
	return taker.Ended().Sub(begin)
}

// playCopy is what the test binary does then.
func playCopy(spec string) error {
	f := strings.Fields(spec)
	if f[0] == "send" {
		file, err := os.Open(f[2])
		if err != nil {
			return err
		}
		conn, err := net.Dial("tcp", f[1])
		if err != nil {
			return err
		}
		if _, err = io.Copy(conn, file); err != nil {
			return err
		}
		return conn.Close()
	}
	l, err := net.Listen("tcp", f[1])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}
