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
	setOption(conn, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n)
}

// setWake makes the kernel wake who waits for conn's bytes only when n of them are there (SO_RCVLOWAT), and tells whether it
// will. It won't on TLS, which may hold some of them already.
func setWake(conn net.Conn, n int) bool { return setOption(conn, unix.SOL_SOCKET, unix.SO_RCVLOWAT, n) }

func setOption(conn net.Conn, level, option, value int) (ok bool) {
	t, plain := conn.(*net.TCPConn)
	if !plain {
		return false
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) { ok = unix.SetsockoptInt(int(fd), level, option, value) == nil })
	return ok && err == nil
}
