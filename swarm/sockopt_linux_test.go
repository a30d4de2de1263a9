package swarm

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// veiled is a connection through which its socket isn't seen, as TLS is.
type veiled struct {
	net.Conn
	below net.Conn
}

func (v veiled) NetConn() net.Conn { return v.below }

// The socket's option is set through TLS too.
func TestSetUnsent(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for want, c := range map[int]net.Conn{minFrame: conn, maxFrame: veiled{nil, conn}} {
		setUnsent(c, want)
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		_ = raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT) })
		if err != nil || got != want {
			t.Errorf("%T: %d, %v, want %d", c, got, err, want)
		}
	}
}
