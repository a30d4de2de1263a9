package cmd

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// stream is stdout or stderr. The first error sticks: what follows is dropped and gets the same error. When nobody reads any
// more (a closed pipe, a terminal that is gone), lost is called once. Safe for concurrent use.
type stream struct {
	file *os.File
	lost func(cause error)

	mu  sync.Mutex
	err error
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.file.Write(p)
	if err == nil {
		return n, nil
	}
	s.err = err
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EIO) {
		s.err = exitSilently(exitPipe, err)
		s.lost(s.err)
	}
	return n, s.err
}

// failure is the error that sticks.
func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
