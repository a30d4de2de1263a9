package cmd

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"p2pcp/blocks"
	"p2pcp/seed"
	"p2pcp/swarm/wire"
)

// limiters are token buckets for both directions, nil where there is no limit. A burst holds a whole DATA frame, and 5 ms of
// fast links.
func (r rates) limiters() (up, down *rate.Limiter) {
	one := func(n uint64) *rate.Limiter {
		if n == 0 {
			return nil
		}
		return rate.NewLimiter(rate.Limit(n), int(max(wire.MaxData, n/200)))
	}
	return one(r.Up), one(r.Down)
}

// randSeed seeds the core's own generator.
func randSeed() [2]uint64 {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return [2]uint64{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// umask reads the process's umask; the only way is to set it.
func umask() uint16 {
	old := unix.Umask(0o077)
	unix.Umask(old)
	return uint16(old)
}

// bootstrapAddrs are where a swarm may be found: --join first, then the ticket's.
func bootstrapAddrs(ctx context.Context, t seed.Ticket, join []string) ([]netip.AddrPort, error) {
	list, err := resolveAll(ctx, join)
	if err != nil {
		return nil, err
	}
	list = append(list, t.Addrs...)
	if len(list) == 0 {
		return nil, usagef("name a living member with --join HOST:PORT", "this ticket names no address")
	}
	return list, nil
}

// resolveAll resolves each HOST:PORT to all of its addresses.
func resolveAll(ctx context.Context, list []string) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, s := range list {
		host, port, err := splitAddress(s)
		if err != nil {
			return nil, usagef("", "%s: %w", quoteArg(s), err)
		}
		if a, err := netip.ParseAddr(host); err == nil {
			out = append(out, netip.AddrPortFrom(a.Unmap(), port))
			continue
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, exitf(exitNobody, "is the name right?", "find %s: %w", quoteArg(host), err)
		}
		for _, a := range addrs {
			out = append(out, netip.AddrPortFrom(a.Unmap(), port))
		}
	}
	return out, nil
}

// resolveTarget is the final path of the content for -o, whose directory exists when it returns.
func resolveTarget(to string, c *blocks.Content) (string, error) {
	abs, err := resolveTargetDry(to, c)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(to, "/") {
		if err := os.MkdirAll(filepath.Dir(abs), 0o777); err != nil {
			return "", fmt.Errorf("make the directory for it: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Dir(abs)); err != nil {
		return "", exitf(exitLocal, "make the directory first, or choose another place with -o", "the place for it: %w", err)
	}
	return abs, nil
}

// resolveTargetDry is the final path: DIR/ means inside; else the path is exact, but for one file and an existing directory.
func resolveTargetDry(to string, c *blocks.Content) (string, error) {
	name := c.Manifest().Name
	inside := strings.HasSuffix(to, "/")
	if !inside && !c.Header().Dir {
		if st, err := os.Stat(to); err == nil && st.IsDir() {
			inside = true
		}
	}
	abs, err := filepath.Abs(to)
	if err != nil {
		return "", fmt.Errorf("find the path of %s: %w", quoteArg(to), err)
	}
	if inside {
		abs = filepath.Join(abs, name)
	}
	if abs == "/" {
		return "", usagef("write -o / for a place inside", "the content can't replace /")
	}
	return abs, nil
}
