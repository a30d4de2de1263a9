package fleet

import (
	"context"
	"sync"
	"time"
)

// maxYield bounds how long a host waits for the others' programs.
const maxYield = 2 * time.Second

// sends are the programs on their way to hosts. The zero value is ready. Safe for concurrent use.
//
// A host whose program has come waits a little for those of the others: the link that they share has so much to carry anyway, and whoever
// begins to get takes from what the others still wait for. The last host is the one that counts.
type sends struct {
	mu    sync.Mutex
	open  int
	quiet chan struct{} // closed while open is 0
}

// begin adds one; what it returns takes it away again, once.
func (s *sends) begin() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == 0 {
		s.quiet = make(chan struct{})
	}
	s.open++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open--; s.open == 0 {
			close(s.quiet)
		}
	})
}

// yield waits until none is under way, at most half of the time that the own one took. One must have begun.
func (s *sends) yield(ctx context.Context, took time.Duration) {
	s.mu.Lock()
	quiet := s.quiet
	s.mu.Unlock()
	select {
	case <-quiet:
	case <-time.After(min(took/2, maxYield)):
	case <-ctx.Done():
	}
}
