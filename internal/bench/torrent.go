package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pieceSize is that of the torrents: with smaller ones the clients were slower.
const pieceSize = mib

// torrentOf is the metainfo of a file (BEP 3).
func torrentOf(path, tracker string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var pieces []byte
	size := 0
	for buf := make([]byte, pieceSize); ; {
		n, err := io.ReadFull(f, buf)
		if n > 0 {
			sum := sha1.Sum(buf[:n])
			pieces, size = append(pieces, sum[:]...), size+n
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	name := filepath.Base(path)
	return fmt.Appendf(nil, "d8:announce%d:%s4:infod6:lengthi%de4:name%d:%s12:piece lengthi%de6:pieces%d:%see",
		len(tracker), tracker, size, len(name), name, pieceSize, len(pieces), pieces), nil
}

// track is a BitTorrent tracker for one torrent (BEP 3, 23): it tells each peer of all others.
func track(listen string) error {
	l, err := net.Listen("tcp4", listen)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	t := tracker{peers: map[netip.AddrPort]bool{}}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go t.answer(c)
	}
}

// seedKnown is what a tracker prints when somebody has all.
const seedKnown = "a seed\n"

type tracker struct {
	mu    sync.Mutex
	peers map[netip.AddrPort]bool // whether it has all
}

// answer takes one announcement: a GET with the peer's port and what it lacks.
func (t *tracker) answer(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	br := bufio.NewReader(c)
	request, err := br.ReadString('\n')
	for line := request; err == nil && strings.TrimSpace(line) != ""; {
		line, err = br.ReadString('\n')
	}
	words := strings.Fields(request)
	from, ok := c.RemoteAddr().(*net.TCPAddr)
	if err != nil || len(words) < 2 || !ok {
		return
	}
	_, query, _ := strings.Cut(words[1], "?")
	q, _ := url.ParseQuery(query) // what can't be read isn't there
	port, _ := strconv.ParseUint(q.Get("port"), 10, 16)
	self := netip.AddrPortFrom(from.AddrPort().Addr().Unmap(), uint16(port))
	body := t.announce(self, q.Get("left") == "0", q.Get("event") == "stopped")
	fmt.Fprintf(c, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// announce notes a peer and lists the others.
func (t *tracker) announce(self netip.AddrPort, whole, stopped bool) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.peers[self] = whole; stopped {
		delete(t.peers, self)
	}
	if whole {
		fmt.Print(seedKnown)
	}
	var list []byte
	seeds := 0
	for p, all := range t.peers {
		if all {
			seeds++
		}
		if p != self {
			ip := p.Addr().As4()
			list = binary.BigEndian.AppendUint16(append(list, ip[:]...), p.Port())
		}
	}
	return fmt.Sprintf("d8:completei%de10:incompletei%de8:intervali1e12:min intervali1e5:peers%d:%se",
		seeds, len(t.peers)-seeds, len(list), list)
}
