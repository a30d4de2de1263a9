package swarm

import (
	"bufio"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// veiled is a connection through which its socket isn't seen, as TLS is.
type veiled struct {
	net.Conn
	below net.Conn
}

func (v veiled) NetConn() net.Conn { return v.below }

// pair is both ends of a TCP connection.
func pair(t *testing.T) (dialed, accepted net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if dialed, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	if accepted, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return dialed, accepted
}

func option(t *testing.T, conn net.Conn, level, name int) (value int) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return value
}

// The socket's option is set through TLS too.
func TestSetUnsent(t *testing.T) {
	conn, _ := pair(t)
	for want, c := range map[int]net.Conn{minFrame: conn, maxFrame: veiled{nil, conn}} {
		setUnsent(c, want)
		if got := option(t, conn, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); got != want {
			t.Errorf("%T: %d, want %d", c, got, want)
		}
	}
}

// Inside a frame the reader is woken when the rest of it is there, behind it by the first byte; what comes slowly is read when the
// deadline passes; through TLS all is as ever.
func TestReaderWakes(t *testing.T) {
	const length = 64 << 10
	for name, c := range map[string]struct {
		first int // bytes of the frame that come before it waits
		late  bool
		tls   bool
		wake  int // bytes for which it waits then
	}{
		"the rest":      {first: 1000, wake: length - 1000},
		"a little":      {first: length - minWake + 1, wake: 1},
		"comes slowly":  {first: 1000, late: true, wake: length - 1000},
		"nothing known": {first: 1000, tls: true, wake: 1},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := pair(t)
			s, ss := telling()
			s.ctx, s.events = t.Context(), make(chan Event, 1)
			ss.conn, ss.fed, ss.ration = ours, new(atomic.Uint64), &ration{}
			if c.tls {
				ss.conn = veiled{ours, ours}
			}
			ss.in = incoming{Block: wire.Block{Request: wire.Request{Length: 2 * length}}, open: true, buf: make([]byte, 2*length)}
			ss.awaited = map[slot]bool{{}: true}
			frame := append(wire.AppendDataHead(nil, blocks.Index(0), 0, length), make([]byte, length)...)
			br := bufio.NewReaderSize(&waking{Conn: ours}, readBuffer)
			var head [wire.HeadSize]byte
			taken := make(chan error, 1)
			write := func(b []byte) {
				if _, err := theirs.Write(b); err != nil {
					t.Fatal(err)
				}
			}
			await := func(what string, ok func() bool) {
				for end := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
					if time.Now().After(end) {
						t.Fatal(what)
					}
				}
			}
			cut := wire.HeadSize + wire.DataHead + c.first
			write(frame[:cut])
			ss.in.refresh = time.Now().Add(time.Hour) // the deadline is this test's
			go func() {
				_, n, err := wire.ReadHead(br, &head)
				if err == nil {
					err = ss.readBytes(br, n)
				}
				taken <- err
			}()
			got := func() int { return int(ss.fed.Load()) }
			await("the first bytes aren't taken", func() bool { return got() == c.first })
			await("it waits for something else", func() bool { return option(t, ours, unix.SOL_SOCKET, unix.SO_RCVLOWAT) == c.wake })
			if c.late {
				write(frame[cut : cut+1])
				_ = ours.SetReadDeadline(time.Now())
				await("what had come isn't taken", func() bool { return got() == c.first+1 })
				_ = ours.SetReadDeadline(time.Time{})
				cut++
			}
			write(frame[cut:])
			if err := <-taken; err != nil || got() != length {
				t.Fatalf("%d bytes, %v", got(), err)
			}
			if n := option(t, ours, unix.SOL_SOCKET, unix.SO_RCVLOWAT); n != 1 {
				t.Errorf("behind the frame it waits for %d bytes", n)
			}
		})
	}
}
