package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"p2pcp/internal/lab"
)

// roleEnv makes this program a process on a host of the lab: "recv LISTEN" and "send ADDRESS BYTES", the sides of a plain TCP copy,
// "offer LISTEN FILE" and "take ADDRESS FILE", those of a bare one, or "track LISTEN", a BitTorrent tracker; "warm" holds memory for as long as its stdin is open.
const roleEnv = "P2PCP_BENCH_ROLE"

func playRole(spec string) error {
	switch f := strings.Fields(spec); f[0] {
	case "recv":
		return receiveCopy(f[1])
	case "send":
		return sendCopy(f[1], f[2])
	case "offer":
		return offerBare(f[1], f[2])
	case "take":
		return takeBare(f[1], f[2])
	case "warm":
		return stayWarm()
	default:
		return track(f[1])
	}
}

// roleLine is the command line of this program in a role.
func (b *bench) roleLine(spec string) []string { return []string{"env", roleEnv + "=" + spec, b.self} }

// role starts this program in a role on a host and waits for its first line, if it has one to say.
func (b *bench) role(ctx context.Context, h *lab.Host, spec string, speaks bool) (*lab.Proc, error) {
	line := b.roleLine(spec)
	p, err := h.Start(ctx, line[0], line[1:]...)
	if err == nil && speaks {
		_, err = p.Line(10 * time.Second)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec, err)
	}
	return p, nil
}

// receiveCopy takes one connection, and prints bytes per second.
func receiveCopy(listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	c, err := l.Accept()
	if err != nil {
		return err
	}
	begin := time.Now()
	n, err := io.Copy(io.Discard, c)
	fmt.Printf("%.0f\n", float64(n)/time.Since(begin).Seconds())
	return err
}

func sendCopy(to, bytes string) error {
	c, err := net.Dial("tcp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	var n int64
	if _, err := fmt.Sscan(bytes, &n); err != nil {
		return err
	}
	_, err = io.CopyN(c, zeros{}, n)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// goodput is the yardstick: what a plain TCP copy of n bytes from the seed's host to the first receiver's brings, bytes a second.
func (s *stage) goodput(ctx context.Context, n int) (u float64, err error) {
	recv, err := s.role(ctx, s.host(1), "recv :7601", true)
	if err != nil {
		return 0, err
	}
	send, err := s.role(ctx, s.host(0), fmt.Sprintf("send %s:7601 %d", s.host(1).Addr(), n), false)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(send.Wait(), recv.Wait()); err != nil {
		return 0, fmt.Errorf("plain copy: %w", err)
	}
	_, rest, _ := strings.Cut(recv.Out.String(), "\n")
	if _, err := fmt.Sscan(rest, &u); err != nil || u <= 0 {
		return 0, errors.New("plain copy: " + recv.Out.String())
	}
	return u, nil
}
