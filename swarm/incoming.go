package swarm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// incoming is the Block that is arriving, and what else only the reader touches.
type incoming struct {
	wire.Block
	open    bool
	discard bool   // nobody wants it any more; buf is nil
	got     uint32 // bytes so far
	begun   time.Time
	buf     []byte // the whole Block's
	hash    blocks.Hasher
	spare   []blocks.CV
	spans   []blocks.Span
	short   bool      // the last read brought less than it had room for: the next one will wait
	wake    int       // bytes that must be there for the kernel to wake the reader; 0: one
	refresh time.Time // when the read deadline was last moved
	named   int       // members that the peer told us of
	voice   voice
	junk    uint64        // bytes that nobody waited for
	useful  uint64        // the others
	waited  time.Duration // because its source had used up its ration
	heard   uint64        // Blocks that it announced, again and again counted
}

// beginBlock starts taking a Block. One that nobody awaits is discarded as it comes, without a buffer.
func (ss *session) beginBlock(p []byte) error {
	in := &ss.in
	m, err := wire.ParseBlock(p, in.spare)
	if err != nil {
		return err
	}
	ss.abandonIncoming(m.Request)
	in.spare = m.Proof[:0]
	c, size := ss.s.Content(), uint32(0)
	if c != nil {
		size = c.BlockLen(m.Index)
	}
	in.Block, in.open, in.got, in.begun = m, true, 0, time.Now()
	in.discard = size == 0 || !ss.awaits(m.Index, m.Offset)
	if in.discard {
		return nil
	}
	if m.Offset != 0 || m.Length != size {
		return fmt.Errorf("%w: %d bytes at %d of block %d instead of all", errProtocol, m.Length, m.Offset, m.Index)
	}
	in.buf, in.hash = ss.s.buffer(m.Length), c.Hasher(m.Index, m.Offset)
	return nil
}

// abandonIncoming ends a Block that another one, or the same anew, follows in its middle. If it was still awaited the core is told
// that it won't come.
func (ss *session) abandonIncoming(next wire.Request) {
	in := &ss.in
	if in.open && !in.discard && in.Request != next && ss.claim(in.Index, in.Offset) {
		ss.s.post(Event{Kind: Refused, Peer: ss.id, Index: in.Index, Offset: in.Offset, Reason: Busy})
	}
	ss.dropIncoming()
}

// dropIncoming gives the buffer back.
func (ss *session) dropIncoming() {
	ss.in.open = false
	ss.dropBuffer()
}

func (ss *session) dropBuffer() {
	if ss.in.buf != nil {
		ss.s.recycle(ss.in.buf)
		ss.in.buf = nil
	}
}

// readBytes takes one DATA frame of n bytes' payload.
func (ss *session) readBytes(br *bufio.Reader, n uint32) error {
	var head [wire.DataHead]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	i, offset := wire.ParseDataHead(head)
	n -= wire.DataHead
	in := &ss.in
	if !in.open || i != in.Index || offset != in.Offset+in.got || uint64(in.got)+uint64(n) > uint64(in.Length) {
		return fmt.Errorf("%w: DATA outside of its block", errProtocol)
	}
	if !in.discard && !ss.awaits(in.Index, in.Offset) { // cancelled meanwhile
		in.discard = true
		ss.dropBuffer()
	}
	for end := in.got + n; in.got < end; {
		if err := ss.readSome(br, end-in.got); err != nil {
			return err
		}
	}
	ss.wakeAt(0)
	if !in.discard {
		ss.s.post(Event{Kind: Progress, Peer: ss.id, Index: in.Index, Offset: in.Offset, Length: in.Length, Bytes: in.got})
	}
	if in.got < in.Length {
		return nil
	}
	fast := time.Since(in.begun) < time.Duration(in.Length)*time.Second/fastRate
	return ss.finishBlock(fast || br.Buffered() > 0)
}

// unlimitedBite is how much is read at a time without a limit: it should still be in the cache when it is hashed. After each the peer
// counts as living.
const unlimitedBite = 64 << 10

// readSome takes up to n content bytes, as much as the limit lets pass at once or has come.
func (ss *session) readSome(br *bufio.Reader, n uint32) error {
	in, limit, left := &ss.in, ss.s.cfg.Down, n
	if limit == nil {
		n = min(n, unlimitedBite)
	} else {
		n = min(n, bite(limit))
		if err := limit.WaitN(ss.s.ctx, int(n)); err != nil {
			return fmt.Errorf("wait for the limit: %w", err)
		}
	}
	ss.stillThere()
	var err error
	switch {
	case in.discard:
		_, err = br.Discard(int(n))
		ss.s.count.discarded.Add(uint64(n))
	case limit != nil:
		_, err = io.ReadFull(br, in.buf[in.got:in.got+n])
	default:
		if in.short && br.Buffered() == 0 {
			ss.wakeAt(left)
		}
		var some int
		some, err = br.Read(in.buf[in.got : in.got+n]) // past br's buffer if there is room for as much
		in.short = uint32(some) < n
		n = uint32(some)
	}
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	ss.s.count.received(ss.seed, n)
	ss.fed.Add(uint64(n))
	in.got += n
	if in.discard {
		return ss.junk(n)
	}
	in.useful += uint64(n)
	ss.ration.earn(n)
	in.hash.Hash(in.buf[:in.got])
	return nil
}

// minWake is the least that a reader waits for: a few packets' worth, as a wake-up costs about as much as taking so many bytes.
const minWake = 8 << 10

// wakeAt has the reader woken when the n bytes that a frame still lacks are there, instead of by every packet: the peer owes them, and
// one that sends them slowly is read from when the deadline passes. Behind the frame nothing is owed: wakeAt(0), or the reader stalls.
func (ss *session) wakeAt(n uint32) {
	if n < minWake {
		n = 0
	}
	if in := &ss.in; int(n) != in.wake && setWake(ss.conn, int(n)) {
		in.wake = int(n)
	}
}

// Under a limit bytes pass in bites of biteTime's worth, so that sessions take turns quickly, and of at least minBite.
const (
	biteTime = 5 * time.Millisecond
	minBite  = 1 << 10
)

// bite is how many bytes may pass l at a time: at most its burst and a DATA frame.
func bite(l *rate.Limiter) uint32 {
	if l.Limit() == rate.Inf {
		return maxFrame
	}
	n := min(max(float64(l.Limit())*biteTime.Seconds(), minBite), float64(l.Burst()), maxFrame)
	return uint32(math.Max(n, 1))
}

// arrived is a Block that has come whole.
type arrived struct {
	wire.Block
	buf  []byte
	hash blocks.Hasher
}

// fastRate is how many bytes a second a session brings for whom it would be a loss to wait for a Block to land, at a GiB a second or so.
const fastRate = 64 << 20

// finishBlock lands the Block that has arrived whole while the reader takes the next one, so that a single session isn't bound by
// the sum of network, hash and disk. The reader lands it itself where nothing more has come yet on a slow one, since waking another
// thread costs as much as a small Block, and where landers are short: then there are enough at work, and what isn't read stays with
// the peer.
func (ss *session) finishBlock(more bool) error {
	in, s := &ss.in, ss.s
	if in.discard {
		ss.dropIncoming()
		return nil
	}
	if !ss.claim(in.Index, in.Offset) {
		s.count.discarded.Add(uint64(in.Length))
		ss.dropIncoming()
		return nil
	}
	b := arrived{Block: in.Block, buf: in.buf, hash: in.hash}
	in.open, in.buf = false, nil
	if !more {
		return ss.land(b)
	}
	select {
	case s.landers <- struct{}{}:
		in.spare = nil // it is b's now
		ss.landings.Go(func() {
			defer func() { <-s.landers }()
			if err := ss.land(b); err != nil {
				ss.close(err)
			}
		})
		return nil
	default:
		return ss.land(b)
	}
}

// land verifies a Block, writes it, and tells the loop.
func (ss *session) land(b arrived) error {
	s := ss.s
	defer s.recycle(b.buf)
	kept, err := ss.keep(b)
	switch {
	case errors.Is(err, blocks.ErrBadBlock):
		s.cfg.Log.Warn("bad block", "peer", ss.member, "block", b.Index, "err", err)
		s.count.bad.Add(1)
		s.post(Event{Kind: Bad, Peer: ss.id, Index: b.Index})
		return nil
	case err != nil:
		err = fmt.Errorf("keep block %d: %w", b.Index, err)
		s.fail(err)
		return err
	case kept:
		s.post(Event{Kind: Verified, Peer: ss.id, Index: b.Index, Bytes: b.Length})
	default:
		s.count.discarded.Add(uint64(b.Length))
	}
	return nil
}

// keep verifies and writes a Block, unless there is no place for it.
func (ss *session) keep(b arrived) (kept bool, err error) {
	s := ss.s
	s.landing.RLock()
	defer s.landing.RUnlock()
	s.mu.Lock()
	c, store := s.content, s.store
	s.mu.Unlock()
	content := uint32(b.Index) >= c.Header().ManifestBlocks()
	if content && (store == nil || s.placed) {
		return false, nil
	}
	if err := c.VerifyHashed(&b.hash, b.Index, b.Offset, b.buf, b.Proof); err != nil {
		return false, err
	}
	if content {
		return true, store.WriteBlock(b.Index, b.buf)
	}
	return true, nil
}
