package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// dialTime is how long connecting and shaking hands may take if ctx has no deadline.
const dialTime = 5 * time.Second

// keepAlive finds hosts that vanished under an idle connection, within half a minute. Whoever speaks frames notices sooner.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// Dial connects and shakes hands within ctx's deadline (5 s if it has none). The connection comes back without a deadline.
// Errors: those of net if there is no connection; then as handshake; ctx's own if it was cancelled.
func Dial(ctx context.Context, to netip.AddrPort, s Secrets, kind Kind) (net.Conn, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, dialTime)
		defer cancel()
	}
	d := net.Dialer{KeepAliveConfig: keepAlive}
	d.SetMultipathTCP(false)
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if errors.Is(err, syscall.ECONNRESET) { // accepted, and closed before we could look
		return nil, fmt.Errorf("connect: %w: %w", ErrSilent, err)
	}
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	ready, err := shake(ctx, conn, &s, kind)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("shake hands with %s: %w", to, err)
	}
	return ready, nil
}

// shake runs the dialer's handshake, TLS included, until ctx ends.
func shake(ctx context.Context, conn net.Conn, s *Secrets, kind Kind) (net.Conn, error) {
	release := breakOff(ctx, conn)
	ready := conn
	g, err := greet(conn, s, kind, newNonce())
	if err == nil && g.private() {
		ready, err = g.dialTLS(conn)
	}
	release()
	if ctx.Err() == context.Canceled {
		return nil, ctx.Err()
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	return ready, err
}

// breakOff makes I/O on conn fail as soon as ctx ends. After release it no longer touches conn.
func breakOff(ctx context.Context, conn net.Conn) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}
