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
	// Nobody need read it: once nobody does, what is written is dropped without an error.
	optional bool
	dropping bool
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if s.dropping {
		return len(p), nil
	}
	n, err := s.file.Write(p)
	if err == nil {
		return n, nil
	}
	gone := errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EIO)
	if gone && s.optional {
		s.dropping = true
		return len(p), nil
	}
	s.err = err
	if gone {
		s.err = exitSilently(exitPipe, err)
		s.lost(s.err)
	}
	return n, s.err
}

// letGo makes the stream optional.
func (s *stream) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.optional = true
}

// failure is the error that sticks.
func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
