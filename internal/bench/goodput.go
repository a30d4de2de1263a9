package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// copyEnv makes this program one side of a plain TCP copy: "recv LISTEN" or "send ADDRESS BYTES".
const copyEnv = "P2PCP_BENCH_COPY"

// plainCopy is the yardstick: one connection, no protocol. The receiver prints bytes per second.
func plainCopy(spec string) error {
	f := strings.Fields(spec)
	if f[0] == "recv" {
		l, err := net.Listen("tcp", f[1])
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
	c, err := net.Dial("tcp", f[1])
	if err != nil {
		return err
	}
	defer c.Close()
	var n int64
	if _, err := fmt.Sscan(f[2], &n); err != nil {
		return err
	}
	_, err = io.CopyN(c, zeros{}, n)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// goodput is what a plain TCP copy of n bytes from the seed's host to the first receiver's brings, bytes a second.
func (s *stage) goodput(ctx context.Context, n int) (u float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	recv, err := start(ctx, s.host(1), "env", copyEnv+"=recv :7601", self)
	if err != nil {
		return 0, err
	}
	if _, err := recv.line(10 * time.Second); err != nil {
		return 0, fmt.Errorf("plain copy: %w", err)
	}
	if _, err := run(ctx, s.host(0), "env", fmt.Sprintf("%s=send %s:7601 %d", copyEnv, s.host(1).Addr(), n), self); err != nil {
		return 0, err
	}
	if err := recv.wait(); err != nil {
		return 0, fmt.Errorf("plain copy: %w", err)
	}
	_, rest, _ := strings.Cut(recv.out.String(), "\n")
	if _, err := fmt.Sscan(rest, &u); err != nil || u <= 0 {
		return 0, errors.New("plain copy: " + recv.out.String())
	}
	return u, nil
}
