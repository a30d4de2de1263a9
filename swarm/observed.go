package swarm

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"p2pcp/swarm/wire"
)

// observerIdle is how long an observer may say nothing, or not take an answer.
const observerIdle = 30 * time.Second

// observed serves an observer's connection.
func (s *Swarm) observed(conn net.Conn) {
	defer closeQuietly(conn)
	from := addrOf(conn.RemoteAddr()).Addr().Unmap()
	counted := sourceOfConn(conn)
	place := s.observers.enter(counted, conn)
	if place == nil {
		return
	}
	defer s.observers.leave(place)
	stop := context.AfterFunc(s.ctx, func() { closeQuietly(conn) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(helloTime))
	br := bufio.NewReaderSize(conn, 4<<10)
	h, _, err := readHello(br, helloRest, nil)
	if err != nil || !h.Observer {
		return
	}
	ours, _ := s.hello(conn)
	ours.Full = false           // of sessions; observers have places of their own
	ours.Peers = s.peersFor("") // it may watch for a member, under that one's name
	if _, err := conn.Write(ours.Append(nil)); err != nil {
		return
	}
	o := onlooker{Swarm: s, source: from, member: h.Member}
	s.mu.Lock()
	o.ration = s.rationOf(counted)
	s.mu.Unlock()
	for err == nil {
		_ = conn.SetDeadline(time.Now().Add(observerIdle))
		var t wire.Type
		var p, reply []byte
		if t, p, err = wire.ReadFrame(br, nil); err == nil {
			reply, err = o.answer(t, p)
		}
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(observerIdle))
			_, err = conn.Write(reply)
		}
	}
	s.blame(suspect{h.Member, hostOf(from)}, err.Error(), gravityOf(err))
}

// onlooker is an observer that is being answered.
type onlooker struct {
	*Swarm
	source netip.Addr
	member string
	ration *ration
	voice  voice
}

// replyUnit is how many bytes of an answer are worth one more unit of the ration.
const replyUnit = 256

// answer is the reply to one frame, once its source may have another one.
func (o *onlooker) answer(t wire.Type, p []byte) ([]byte, error) {
	if !o.sleep(min(o.ration.spend(time.Now(), o.cost(t, p)), observerIdle)) {
		return nil, o.ctx.Err()
	}
	reply, err := o.reply(t, p)
	if t == wire.TStatus {
		o.ration.spend(time.Now(), float64(len(reply))/replyUnit)
	}
	return reply, err
}

func (o *onlooker) reply(t wire.Type, p []byte) ([]byte, error) {
	s := o.Swarm
	switch t {
	case wire.TAsk:
		m, err := wire.ParseRequest(p)
		if err != nil {
			return nil, err
		}
		return s.manifestBlock(m)
	case wire.TTree:
		m, err := wire.ParseTree(p)
		if err != nil {
			return nil, err
		}
		return s.nodesFor(m).Append(nil), nil
	case wire.TStatus:
		flags, err := wire.ParseStatus(p)
		if err != nil {
			return nil, err
		}
		return s.report(flags).Append(nil), nil
	case wire.TResult:
		r, err := wire.ParseResult(p)
		if err != nil {
			return nil, err
		}
		if err := o.voice.speaks(o.member, r); err != nil {
			return nil, err
		}
		return wire.AppendByte(nil, wire.TAck, s.takeResultFrom(o.source, r)), nil
	case wire.TPing:
		return nil, nil
	default:
		return nil, io.EOF
	}
}

// manifestBlock is BLOCK and DATA of a whole Manifest Block, or REFUSE.
func (s *Swarm) manifestBlock(m wire.Request) ([]byte, error) {
	refuse := wire.Refuse{Index: m.Index, Offset: m.Offset, Reason: byte(NotHeld)}.Append(nil)
	c := s.Content()
	if c == nil || uint32(m.Index) >= c.Header().ManifestBlocks() || m.Offset != 0 || m.Length != c.BlockLen(m.Index) || !c.ManifestComplete() {
		return refuse, nil
	}
	proof, ok := c.Proof(nil, m.Index, 0, m.Length, nil, nil)
	if !ok {
		return refuse, nil
	}
	b := wire.Block{Request: m, Proof: proof}.Append(nil)
	for at := uint32(0); at < m.Length; at += wire.MaxData {
		n := min(m.Length-at, wire.MaxData)
		b = wire.AppendDataHead(b, m.Index, at, int(n))
		from := len(b)
		b = append(b, make([]byte, n)...)
		if err := c.ReadManifest(m.Index, at, b[from:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
