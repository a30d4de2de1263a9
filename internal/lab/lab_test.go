//go:build linux

package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLab(t *testing.T) {
	l := makeLab(t, Config{Hosts: 3, Rate: labRate, Scratch: 8 << 20})
	t.Run("hosts are different", func(t *testing.T) { hostsDiffer(t, l) })
	t.Run("hosts know each other", func(t *testing.T) { hostsKnowEachOther(t, l) })
	t.Run("rate", func(t *testing.T) { rateHolds(t, l) })
	t.Run("link", func(t *testing.T) { linkGoesDownAndUp(t, l) })
	t.Run("ssh", func(t *testing.T) { sshWorks(t, l) })
}

const labRate = 200 * Mbit

func hostsDiffer(t *testing.T, l *Lab) {
	a := l.Host(1)
	for i, h := range l.Hosts() {
		want := fmt.Sprintf("node%d", i+1)
		if h.Name() != want || output(t, h, "uname", "-n") != want || output(t, h, "cat", "/proc/sys/kernel/hostname") != want {
			t.Errorf("host %d is %s and calls itself %s", i+1, h.Name(), output(t, h, "uname", "-n"))
		}
		if err := os.WriteFile(h.Path(Scratch+"/name"), []byte(want), 0o600); err != nil {
			t.Error(err)
		}
	}
	for _, h := range l.Hosts() {
		if got := output(t, h, "cat", "name"); got != h.Name() {
			t.Errorf("%s reads %q in its Scratch", h.Name(), got)
		}
		if got := output(t, h, "sh", "-c", "cd && pwd"); got != own+"/home" {
			t.Errorf("HOME is %s", got)
		}
	}
	if err := a.Command(t.Context(), "dd", "if=/dev/zero", "of=big", "bs=1M", "count=9").Run(); err == nil {
		t.Error("9 MiB fit into a Scratch of 8")
	}
	output(t, a, "rm", "big")
}

func hostsKnowEachOther(t *testing.T, l *Lab) {
	a := l.Host(1)
	for _, family := range []string{"-4", "-6"} {
		known := output(t, a, "ip", family, "neigh", "show", "nud", "permanent")
		if lines := strings.Count(known+"\n", "\n"); lines != len(l.Hosts()) {
			t.Errorf("%s knows %d of 2 hosts and the hub:\n%s", a.Name(), lines, known)
		}
	}
}

func rateHolds(t *testing.T, l *Lab) {
	a, b := l.Host(1), l.Host(2)
	const size = 16 << 20
	lines := sink(t, b)
	// A busy machine may keep a transfer below the rate; nothing may lift it above.
	const tries = 5
	for _, to := range []netip.Addr{b.Addr(), b.Addr6()} {
		best := 0.0
		for n := 0; n < tries && best < 0.85; n++ {
			before, err := a.Sent()
			if err != nil {
				t.Fatal(err)
			}
			got, seconds := transfer(t, a, to, size, lines)
			after, err := a.Sent()
			if err != nil {
				t.Fatal(err)
			}
			r := float64(got) * 8 / seconds / float64(labRate)
			if got != size || r > 1.15 {
				t.Errorf("%d bytes to %v at %.2f of the rate", got, to, r)
			}
			if sent := after - before; sent < size || sent > size*115/100 {
				t.Errorf("%d bytes sent for %d", sent, size)
			}
			best = max(best, r)
		}
		if best < 0.85 {
			t.Errorf("%.2f of the rate to %v at best", best, to)
		}
	}
	if err := a.SetRate(4 * labRate); err != nil {
		t.Fatal(err)
	}
	if err := b.SetRate(0); err != nil {
		t.Fatal(err)
	}
	best := 0.0
	for n := 0; n < tries && best < 2; n++ {
		_, seconds := transfer(t, a, b.Addr(), 2*size, lines)
		best = max(best, 2*float64(size)*8/seconds/float64(labRate))
	}
	if best < 2 || best > 4.6 {
		t.Errorf("%.2f of the old rate after a raise to 4", best)
	}
}

func linkGoesDownAndUp(t *testing.T, l *Lab) {
	a, b := l.Host(1), l.Host(2)
	lines := sink(t, b)
	if err := a.LinkDown(); err != nil {
		t.Fatal(err)
	}
	if out := output(t, a, "cat", "/sys/class/net/lo/operstate"); out == "" {
		t.Error("no sysfs")
	}
	if !strings.Contains(output(t, a, "ip", "link", "show", "dev", "eth0"), "NO-CARRIER") {
		t.Error("link is up after LinkDown")
	}
	if err := a.LinkUp(); err != nil {
		t.Fatal(err)
	}
	if got, _ := transfer(t, a, b.Addr(), 1000, lines); got != 1000 {
		t.Errorf("%d bytes after LinkUp", got)
	}
}

func sshWorks(t *testing.T, l *Lab) {
	a, b := l.Host(1), l.Host(2)
	for _, h := range []*Host{a, b} {
		if err := h.SSHD(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"node1", "node2", b.Addr().String()} {
		out, err := l.Command(t.Context(), "ssh", "-F", l.SSHConfig(), name, `uname -n; echo $HOME $TMPDIR`).CombinedOutput()
		want := strings.ReplaceAll(name, b.Addr().String(), "node2") + "\n" + own + "/home " + own + "/tmp\n"
		if err != nil || string(out) != want {
			t.Errorf("ssh %s: %v: %q, want %q", name, err, out, want)
		}
	}
	if got := output(t, a, "ssh", "-F", l.SSHConfig(), "node2", "uname", "-n"); got != "node2" {
		t.Errorf("ssh from a host got %q", got)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	needLab(t)
	mounts := read(t, "/proc/self/mountinfo")
	l := makeLab(t, Config{Hosts: 2})
	if err := l.Host(1).SSHD(t.Context()); err != nil {
		t.Fatal(err)
	}
	output(t, l.Host(2), "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &")
	spaces := []string{netns(t, l.hub.pid()), netns(t, l.Host(1).space.pid()), netns(t, l.Host(2).space.pid())}
	if n := inside(t, spaces); n < 5 {
		t.Errorf("%d processes in the Lab: the check is blind", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := inside(t, spaces); n != 0 {
		t.Errorf("%d processes left", n)
	}
	if got := read(t, "/proc/self/mountinfo"); got != mounts {
		t.Errorf("mounts were\n%s, are\n%s", mounts, got)
	}
	for _, dev := range []string{"h1", "h2", "br0"} {
		if _, err := net.InterfaceByName(dev); err == nil {
			t.Errorf("%s is left", dev)
		}
	}
	if err := l.Close(); err != nil {
		t.Error("second Close:", err)
	}
}

func TestCrashLeavesNothing(t *testing.T) {
	needLab(t)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	crash, err := os.StartProcess(self(t), []string{self(t), "lab:crash"}, &os.ProcAttr{Env: os.Environ(), Files: []*os.File{nil, w, os.Stderr}})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer context.AfterFunc(ctx, func() { r.Close() })()
	out := bufio.NewReader(r)
	line, err := out.ReadString('\n')
	if err != nil {
		_ = crash.Kill()
		_, _ = crash.Wait()
		t.Fatal(err)
	}
	var ends []unix.PollFd
	var spaces []string
	for _, f := range strings.Fields(line) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		ends = append(ends, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		spaces = append(spaces, netns(t, pid))
	}
	if err := crash.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = crash.Wait()
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error("the detached process lives:", err)
	}
	for _, end := range ends {
		if n, err := unix.Poll([]unix.PollFd{end}, 20_000); n != 1 {
			t.Errorf("a holder lives: %d, %v", n, err)
		}
	}
	if n := inside(t, spaces); n != 0 {
		t.Errorf("%d processes left", n)
	}
}

func TestNewRefuses(t *testing.T) {
	needLab(t)
	for _, n := range []int{-1, 0, maxHosts + 1} {
		if l, err := New(Config{Hosts: n}); err == nil {
			_ = l.Close()
			t.Errorf("made %d hosts", n)
		}
	}
	if l, err := New(Config{Hosts: 2, Far: 2}); err == nil {
		_ = l.Close()
		t.Error("made a lab of far hosts alone")
	}
	if l, err := newSpace(nil, "x", "false"); err == nil {
		l.release()
		_ = l.wait()
		t.Error("a setup that fails worked")
	}
}
