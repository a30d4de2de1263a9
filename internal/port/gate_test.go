package port

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/internal/bubble"
)

// lobby is a listener whose connections are pipes, or errors.
type lobby struct {
	queue chan any // net.Conn or error
	done  chan struct{}
}

func newLobby() *lobby { return &lobby{queue: make(chan any, 1000), done: make(chan struct{})} }

func (l *lobby) Accept() (net.Conn, error) {
	select {
	case next := <-l.queue:
		if err, ok := next.(error); ok {
			return nil, err
		}
		return next.(net.Conn), nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *lobby) Close() error   { close(l.done); return nil }
func (l *lobby) Addr() net.Addr { return &net.TCPAddr{} }

// knock puts a connection into the queue and returns the dialer's end.
func (l *lobby) knock() net.Conn {
	ours, theirs := net.Pipe()
	l.queue <- theirs
	return ours
}

// open serves g on a lobby until the test calls end, which waits for it.
func open(g *gate) (l *lobby, end func()) {
	l = newLobby()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.serve(ctx, l)
	}()
	return l, func() {
		cancel()
		g.close()
		l.Close()
		<-done
	}
}

func (g *gate) route(s Secrets, accept func(Kind, net.Conn)) { (&Port{gate: g}).Route(s, accept) }

func (g *gate) halfOpen() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.half)
}

func TestFloodOfSilentConnections(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g := newGate(8)
		g.route(swarm(1), func(_ Kind, conn net.Conn) { conn.Close() })
		l, end := open(g)
		var silent []net.Conn
		for range 100 {
			silent = append(silent, l.knock())
			synctest.Wait()
			if n := g.halfOpen(); n > 8 {
				t.Fatalf("%d handshakes under way", n)
			}
		}
		// 92 wait before us, each 8 of them for one grace.
		start := time.Now()
		if _, err := silent[0].Read(make([]byte, 1)); err != io.EOF || time.Since(start) != graceTime {
			t.Errorf("the oldest: %v after %v", err, time.Since(start))
		}
		conn := l.knock()
		if err := Handshake(conn, swarm(1), Session); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited > 100/8*graceTime {
			t.Errorf("got in after %v", waited)
		}
		for _, c := range append(silent, conn) {
			c.Close()
		}
		end()
	})
}

func TestSilentConnectionsDoNotWaitWithoutNeed(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g := newGate(4)
		l, end := open(g)
		for range 4 {
			defer l.knock().Close()
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if n := g.halfOpen(); n != 4 {
			t.Errorf("%d of 4 are left though nobody waits", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := g.halfOpen(); n != 0 {
			t.Errorf("%d of 4 are left after 5 s", n)
		}
		end()
	})
}

func TestBurstOfHonestDialersGetsIn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		const dialers = 200
		g := newGate(4)
		var in atomic.Int32
		g.route(swarm(1), func(_ Kind, conn net.Conn) { in.Add(1); conn.Close() })
		l, end := open(g)
		start, done := time.Now(), make(chan error)
		for range dialers {
			go func() {
				conn := l.knock()
				defer conn.Close()
				err := Handshake(conn, swarm(1), Session)
				_, _ = io.Copy(io.Discard, conn) // until the acceptor hangs up
				done <- err
			}()
		}
		for range dialers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		end()
		if in.Load() != dialers || time.Since(start) >= graceTime {
			t.Errorf("%d of %d got in, after %v", in.Load(), dialers, time.Since(start))
		}
	})
}

func TestTagsLeadToTheirSwarm(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g := newGate(8)
		type arrival struct {
			swarm byte
			kind  Kind
		}
		arrived := make(chan arrival, 1)
		for n := range byte(2) {
			g.route(swarm(n), func(kind Kind, conn net.Conn) { conn.Close(); arrived <- arrival{n, kind} })
		}
		l, end := open(g)
		dial := func(n byte, kind Kind) error {
			conn := l.knock()
			defer conn.Close()
			err := Handshake(conn, swarm(n), kind)
			_, _ = io.Copy(io.Discard, conn) // until the acceptor hangs up
			return err
		}
		for _, want := range []arrival{{0, Session}, {1, Gossip}, {0, Observer}} {
			if err := dial(want.swarm, want.kind); err != nil {
				t.Fatal(err)
			}
			if got := <-arrived; got != want {
				t.Errorf("%+v arrived as %+v", want, got)
			}
		}
		if err := dial(2, Session); !errors.Is(err, ErrSilent) {
			t.Errorf("unknown swarm: %v", err)
		}
		g.route(swarm(0), nil)
		if err := dial(0, Session); !errors.Is(err, ErrSilent) {
			t.Errorf("route that was ended: %v", err)
		}
		end()
	})
}

func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g := newGate(8)
		g.route(swarm(1), func(_ Kind, conn net.Conn) { conn.Close() })
		l := newLobby()
		for range 10 {
			l.queue <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
		}
		conn := l.knock()
		defer conn.Close()
		broken := errors.New("broken")
		served := make(chan error, 1)
		start := time.Now()
		go func() { served <- g.serve(t.Context(), l) }()
		if err := Handshake(conn, swarm(1), Session); err != nil {
			t.Error(err)
		}
		// 5, 10, 20, ... 640 ms, then 1 s each.
		if waited := time.Since(start); waited != 1275*time.Millisecond+2*time.Second {
			t.Errorf("ten shortages were waited out for %v", waited)
		}
		l.queue <- broken
		if err := <-served; !errors.Is(err, broken) {
			t.Errorf("a broken listener: %v", err)
		}
	})
}

func TestNobodyEntersAShutGate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g := newGate(2)
		l, end := open(g)
		g.close()
		start := time.Now()
		if _, err := l.knock().Read(make([]byte, 1)); err != io.EOF || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		end()
	})
}

func TestTheEndBreaksOffHandshakesAndWaitsForAcceptors(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g := newGate(2)
		release, inside := make(chan struct{}), make(chan struct{})
		g.route(swarm(1), func(_ Kind, conn net.Conn) {
			close(inside)
			<-release
			conn.Close()
		})
		l, end := open(g)
		conn := l.knock()
		defer conn.Close()
		if err := Handshake(conn, swarm(1), Session); err != nil {
			t.Fatal(err)
		}
		<-inside
		silent := []net.Conn{l.knock(), l.knock(), l.knock()} // two half open, one waiting
		synctest.Wait()
		start := time.Now()
		ended := make(chan struct{})
		go func() { defer close(ended); end() }()
		for _, c := range silent {
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("a silent connection: %v", err)
			}
		}
		synctest.Wait()
		select {
		case <-ended:
			t.Error("the gate ended before its acceptor")
		default:
		}
		close(release)
		<-ended
		if waited := time.Since(start); waited != 0 {
			t.Errorf("ended after %v", waited)
		}
	})
}
