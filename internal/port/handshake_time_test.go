package port

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"p2pcp/internal/bubble"
)

func TestBothSidesShake(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		dialed := make(chan error, 1)
		go func() { dialed <- Handshake(ours, swarm(1), Observer) }()
		kind, s, err := Accept(theirs, only(swarm(1)))
		if err != nil || kind != Observer || s != swarm(1) {
			t.Fatal(kind, err)
		}
		if err := <-dialed; err != nil {
			t.Fatal(err)
		}
		// No deadline is left.
		go func() {
			time.Sleep(time.Hour)
			_, _ = ours.Write([]byte("late"))
		}()
		var late [4]byte
		if _, err := io.ReadFull(theirs, late[:]); err != nil {
			t.Error(err)
		}
	})
}

func TestDialerWaitsAsLongAsItsContext(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			begin func(context.Context, time.Duration) (context.Context, context.CancelFunc)
			want  error
		}{
			"deadline": {context.WithTimeout, ErrSilent},
			"cancelled": {func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(d, cancel)
				return ctx, cancel
			}, context.Canceled},
		} {
			ours, theirs := net.Pipe()
			var mute sync.WaitGroup
			mute.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
			ctx, cancel := c.begin(t.Context(), 7*time.Second)
			start, s := time.Now(), swarm(1)
			_, err := shake(ctx, ours, &s, Session)
			if !errors.Is(err, c.want) || time.Since(start) != 7*time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			cancel()
			ours.Close()
			mute.Wait()
		}
	})
}

// However bytes arrive, the listener is done with it after 5 s.
func TestSlowDialersAreClosed(t *testing.T) {
	v, s, _, listener := sample(t)
	m1, m3 := v["message 1/session"], v["message 3/session"]
	for name, slow := range map[string]func(net.Conn){
		"nothing":      func(net.Conn) {},
		"all but one":  func(c net.Conn) { _, _ = c.Write(m1[:47]) },
		"no message 3": func(c net.Conn) { _, _ = c.Write(m1) },
		"dribble": func(c net.Conn) {
			for _, b := range m1 {
				time.Sleep(200 * time.Millisecond)
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		},
		"late message 3": func(c net.Conn) {
			time.Sleep(3 * time.Second)
			_, _ = c.Write(m1)
			for _, b := range m3 {
				time.Sleep(time.Second)
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				var dialer sync.WaitGroup
				dialer.Go(func() { slow(ours) })
				dialer.Go(func() { _, _ = io.Copy(io.Discard, ours) })
				start := time.Now()
				_, _, err := accept(theirs, only(s), listener)
				if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				theirs.Close()
				ours.Close()
				dialer.Wait()
			})
		})
	}
}
