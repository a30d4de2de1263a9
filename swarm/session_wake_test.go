package swarm

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/internal/bubble"
)

// TestWakingReadsWhatCame: after its deadline a connection is read once more, for what has arrived while the process was stopped. Who
// says nothing then is silent, and it is no way to be heard for ever.
func TestWakingReadsWhatCame(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		w, buf := &waking{Conn: a}, make([]byte, 8)
		late := func() { _ = a.SetReadDeadline(time.Now().Add(-time.Second)) }
		told := make(chan error, 1)
		tell := func(s string) { _, err := b.Write([]byte(s)); told <- err }

		go tell("RESULT")
		synctest.Wait()
		late()
		if n, err := w.Read(buf); string(buf[:n]) != "RESULT" || err != nil || <-told != nil {
			t.Errorf("read %q, %v", buf[:n], err)
		}
		late()
		if _, err := w.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("again, at once: %v", err)
		}
		time.Sleep(silence)
		late()
		begin := time.Now()
		if _, err := w.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != wakeTime {
			t.Errorf("silent: %v after %v", err, time.Since(begin))
		}
		time.Sleep(silence)
		go tell("more")
		synctest.Wait()
		late()
		if n, err := w.Read(buf); string(buf[:n]) != "more" || err != nil || <-told != nil {
			t.Errorf("read %q, %v", buf[:n], err)
		}
	})
}
