package swarm

import (
	"net"

	"golang.org/x/sys/unix"
)

// setUnsent bounds the bytes that the kernel holds unsent (TCP_NOTSENT_LOWAT), so that a control frame never waits behind
// megabytes of a Block. Failing leaves the default, which is only slower to react.
func setUnsent(conn net.Conn, n int) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = secure.NetConn()
	}
	t, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n)
	})
}
