package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/zeebo/blake3"

	"p2pcp/internal/lab"
)

// bareStep is the buffer of either side of a bare copy.
const bareStep = 256 << 10

// bare is the least that a copy costs here which checks what it writes: one side reads the file and sends it, the other one receives,
// hashes and writes it, each with one buffer, and there is nothing else: no protocol, no membership, no second source.
var bare = tool{
	serve: func(ctx context.Context, s *stage) (string, []*lab.Proc, error) {
		p, err := s.role(ctx, s.host(0), "offer :7602 "+s.path, true)
		if err != nil {
			return "", nil, err
		}
		return fmt.Sprintf("%s:7602", s.host(0).Addr()), []*lab.Proc{p}, nil
	},
	fetch: func(s *stage, _ *lab.Host, link string) []string {
		return s.roleLine("take " + link + " " + s.path)
	},
}

// offerBare sends a file to one receiver.
func offerBare(listen, path string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	c, err := l.Accept()
	if err != nil {
		return err
	}
	for buf := make([]byte, bareStep); ; {
		n, err := f.Read(buf)
		if errors.Is(err, io.EOF) {
			return c.Close()
		}
		if err != nil {
			return err
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// takeBare is its receiver.
func takeBare(from, path string) error {
	c, err := net.Dial("tcp", from)
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	h, buf := blake3.New(), make([]byte, bareStep)
	for {
		n, err := io.ReadFull(c, buf)
		_, _ = h.Write(buf[:n]) // never fails
		if _, err := f.Write(buf[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			fmt.Printf("%x\n", h.Sum(nil))
			return f.Close()
		}
		if err != nil {
			return err
		}
	}
}
