package port

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// pingSize is the length of a ping, request or reply, in bytes.
const pingSize = 64

// Kinds of ping.
const (
	pingRequest = 1
	pingReply   = 2
)

// ping is a request or a reply.
//
//	| 0  | 4  | p2pc                                                              |
//	| 4  | 1  | version                                                           |
//	| 5  | 1  | 1 request, 2 reply                                                |
//	| 6  | 2  | reply: port the request came from; request: 0                     |
//	| 8  | 8  | tag                                                               |
//	| 16 | 16 | nonce of the request                                              |
//	| 32 | 16 | reply: address the request came from (IPv6 or v4-mapped); request: 0 |
//	| 48 | 16 | MAC over "p2pcp ping" || bytes 0..47                              |
func ping(s *Secrets, kind uint8, n nonce, seen netip.AddrPort) (m [pingSize]byte) {
	copy(m[:4], magic)
	m[4], m[5] = version, kind
	if kind == pingReply {
		binary.BigEndian.PutUint16(m[6:], seen.Port())
		addr := seen.Addr().As16()
		copy(m[32:48], addr[:])
	}
	copy(m[8:16], s.Tag[:])
	copy(m[16:32], n[:])
	mac := s.mac(pingPrefix, m[:48])
	copy(m[48:], mac[:])
	return m
}

// parsePing reads a ping of one kind under the Secrets that its tag finds.
func parsePing(b []byte, kind uint8, find func(tag [8]byte) (Secrets, bool)) (s Secrets, n nonce, seen netip.AddrPort, ok bool) {
	if len(b) != pingSize || string(b[:4]) != magic || b[4] != version || b[5] != kind {
		return s, n, seen, false
	}
	s, ok = find([8]byte(b[8:16]))
	if !ok || !right(b[48:], s.mac(pingPrefix, b[:48])) {
		return s, n, seen, false
	}
	n = nonce(b[16:32])
	addr := netip.AddrFrom16([16]byte(b[32:48]))
	seen = netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(b[6:]))
	if kind == pingRequest && seen != netip.AddrPortFrom(netip.IPv6Unspecified(), 0) {
		return s, n, seen, false
	}
	return s, n, seen, true
}

// pingsPerSecond bounds the replies of a port, however many requests are replayed to it.
const pingsPerSecond = 200

// echo answers pings. For one goroutine.
type echo struct {
	find  func(tag [8]byte) (Secrets, bool)
	limit *rate.Limiter
}

func newEcho(find func(tag [8]byte) (Secrets, bool)) *echo {
	return &echo{find: find, limit: rate.NewLimiter(pingsPerSecond, pingsPerSecond)}
}

// answer gives the reply to a datagram, if it is a request that deserves one.
func (e *echo) answer(b []byte, from netip.AddrPort, at time.Time) (reply [pingSize]byte, ok bool) {
	s, n, _, ok := parsePing(b, pingRequest, e.find)
	if !ok || !e.limit.AllowN(at, 1) {
		return reply, false
	}
	return ping(&s, pingReply, n, from), true
}

// Ping's sending.
const (
	pingTries = 3
	pingGap   = 300 * time.Millisecond
	pingLast  = time.Second // how long the last request's reply is waited for
)

// Ping sends authenticated datagrams (3, 300 ms apart, until one is answered) and returns the round trip and the address
// that the other side saw. The error is ErrSilent if there was no right reply within 1.6 s or ctx's deadline, with it the
// socket's if the host refuses datagrams, or ctx's if it was cancelled.
func Ping(ctx context.Context, to netip.AddrPort, s Secrets) (rtt time.Duration, seen netip.AddrPort, err error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)) // connects nothing, so it never waits
	if err != nil {
		return 0, seen, fmt.Errorf("ping: %w", err)
	}
	defer conn.Close()
	defer breakOff(ctx, conn)()
	a := asker{conn: conn, secrets: s, sent: map[nonce]time.Time{}, last: ErrSilent}
	for try := range pingTries {
		wait := pingGap
		if try == pingTries-1 {
			wait = pingLast
		}
		end := time.Now().Add(wait)
		rtt, seen, ok := a.try(ctx, end)
		if ok {
			return rtt, seen, nil
		}
		if err := ctx.Err(); errors.Is(err, context.Canceled) {
			return 0, seen, fmt.Errorf("ping %s: %w", to, err)
		} else if err != nil {
			break
		}
		if try < pingTries-1 {
			sleep(ctx, time.Until(end)) // it was refused, and may be up by the next try
		}
	}
	return 0, netip.AddrPort{}, fmt.Errorf("ping %s: %w", to, a.last)
}

// asker is one Ping under way.
type asker struct {
	conn    net.Conn
	secrets Secrets
	sent    map[nonce]time.Time // requests, each with its own nonce
	last    error               // wraps ErrSilent
}

// try sends a request and waits until end for the reply to it or to an earlier one.
func (a *asker) try(ctx context.Context, end time.Time) (rtt time.Duration, seen netip.AddrPort, ok bool) {
	n := newNonce()
	request := ping(&a.secrets, pingRequest, n, netip.AddrPort{})
	a.sent[n] = time.Now()
	if _, err := a.conn.Write(request[:]); err != nil {
		a.last = fmt.Errorf("%w: %w", ErrSilent, err)
	}
	_ = a.conn.SetReadDeadline(end)
	own := func(tag [8]byte) (Secrets, bool) { return a.secrets, tag == a.secrets.Tag }
	var buf [pingSize + 1]byte
	for ctx.Err() == nil && time.Now().Before(end) {
		got, err := a.conn.Read(buf[:])
		if err != nil {
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				a.last = fmt.Errorf("%w: %w", ErrSilent, err)
			}
			return 0, seen, false
		}
		_, n, seen, ok := parsePing(buf[:got], pingReply, own)
		if at, asked := a.sent[n]; ok && asked {
			return time.Since(at), seen, true
		}
	}
	return 0, seen, false
}
