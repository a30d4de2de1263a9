package gossip

import (
	"bytes"
	"io"
	"net"
	"sync"
)

// stream is a connection in memberlist's hands. Reads are screened and end with the one message that each side sends. One
// goroutine reads and one writes; Close from anywhere, any number of times.
type stream struct {
	net.Conn
	t       *transport
	inbound bool
	once    sync.Once

	// the reader's
	begun bool
	err   error     // sticky
	in    io.Reader // what was screened, then the rest of the message
}

// Read gives the message's bytes once its beginning has passed the screen.
func (s *stream) Read(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		read, rest, err := s.t.screen.head(s.Conn, s.inbound)
		s.err = err
		s.in = io.MultiReader(bytes.NewReader(read), io.LimitReader(s.Conn, rest))
	}
	if s.err != nil {
		return 0, s.err
	}
	return s.in.Read(b)
}

// Write closes the connection if it fails: memberlist forgets one to which it couldn't write the label.
func (s *stream) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if err != nil {
		_ = s.Close()
	}
	return n, err
}

// Close closes the connection.
func (s *stream) Close() (err error) {
	s.once.Do(func() {
		s.t.forget(s)
		err = s.Conn.Close()
	})
	return err
}
