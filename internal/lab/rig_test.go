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
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be the programs that run in hosts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "lab:") {
		if err := act(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// act is what the test binary does in hosts, and what it does to crash.
func act(args []string) error {
	switch args[0] {
	case "lab:sink": // one connection after the other: prints bytes and the seconds from the first byte to the last
		l, err := net.Listen("tcp", ":7777")
		if err != nil {
			return err
		}
		fmt.Println("listening")
		for {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			begin := time.Now()
			n, err := io.Copy(io.Discard, c)
			fmt.Println(n, time.Since(begin).Seconds(), congestion(c), err)
		}
	case "lab:source":
		c, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", args[1])
		if err != nil {
			return err
		}
		fmt.Println(congestion(c))
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		if _, err := c.Write(make([]byte, n)); err != nil {
			return err
		}
		return c.Close()
	case "lab:crash": // a Lab with a detached process that holds our stdout; prints the holders, and never ends
		l, err := New(Config{Hosts: 1})
		if err != nil {
			return err
		}
		cmd := l.Host(1).Command(context.Background(), "sh", "-c", "setsid sleep 1000 &")
		cmd.Stdout = os.Stdout
		if err := cmd.Run(); err != nil {
			return err
		}
		fmt.Println(l.hub.pid(), l.Host(1).space.pid())
		select {}
	}
	return fmt.Errorf("no act %q", args[0])
}

// congestion names a connection's congestion control.
func congestion(c net.Conn) (name string) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			name, _ = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		})
	}
	if err != nil {
		return err.Error()
	}
	return name
}

// makeLab is New for a test, skipped with the reason where that can't be.
func makeLab(t *testing.T, cfg Config) *Lab {
	t.Helper()
	needLab(t)
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// needLab skips a test without root; P2PCP_E2E=1 makes that a failure.
func needLab(t *testing.T) {
	t.Helper()
	if err := Available(); err != nil {
		if os.Getenv("P2PCP_E2E") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// output runs a command in a host.
func output(t *testing.T, h *Host, args ...string) string {
	t.Helper()
	out, err := h.Command(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %v: %s", h.Name(), args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// sink runs lab:sink in a host and returns its lines.
func sink(t *testing.T, h *Host) *bufio.Scanner {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	cmd := h.Command(ctx, self(t), "lab:sink")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "listening" {
		t.Fatalf("sink said %q", lines.Text())
	}
	return lines
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// transfer sends n bytes and returns what the sink saw.
func transfer(t *testing.T, from *Host, to netip.Addr, n int, lines *bufio.Scanner) (bytes int, seconds float64) {
	t.Helper()
	ours := output(t, from, self(t), "lab:source", netip.AddrPortFrom(to, 7777).String(), strconv.Itoa(n))
	lines.Scan()
	var theirs string
	if _, err := fmt.Sscan(lines.Text(), &bytes, &seconds, &theirs); err != nil {
		t.Fatalf("sink said %q: %v", lines.Text(), err)
	}
	if ours != "cubic" || strings.TrimRight(theirs, "\x00") != "cubic" {
		t.Errorf("congestion control is %q and %q", ours, theirs)
	}
	return bytes, seconds
}

// netns is the identity of a process's network namespace; empty if it has none.
func netns(t *testing.T, pid int) string {
	t.Helper()
	s, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inside counts the processes in network namespaces.
func inside(t *testing.T, spaces []string) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, link := range all {
		at, err := os.Readlink(link)
		for _, s := range spaces {
			if err == nil && at == s {
				count++
			}
		}
	}
	return count
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
