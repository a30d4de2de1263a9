package swarm

import (
	"errors"
	"fmt"
	"io/fs"

	"p2pcp/blocks"
)

// open makes Layout and Store once the Manifest is complete, then settles the claims.
func (s *Swarm) open() {
	c := s.Content()
	if err := c.Open(); err != nil {
		s.fail(err)
		return
	}
	o, err := s.cfg.Open(s.ctx, c)
	if err != nil {
		s.fail(err)
		return
	}
	s.setPlaced(o.Placed)
	s.mu.Lock()
	s.store, s.reader = o.Store, o.Store
	s.mu.Unlock()
	ok := s.post(Event{
		Kind: Opened, Set: c.Layout().Wanted(), Claims: cloneOf(o.Claims),
		Length: c.Header().BlockSize, Placed: o.Placed,
	})
	if !ok || o.Claims == nil || o.Claims.Count() == 0 {
		return
	}
	err = o.Store.Check(s.ctx, s,
		func(i blocks.Index) { s.post(Event{Kind: Verified, Index: i}) },
		func(i blocks.Index) { s.post(Event{Kind: Released, Index: i}) })
	if err != nil {
		s.fail(fmt.Errorf("check what is already there: %w", err))
	}
}

func cloneOf(f *blocks.Bitfield) *blocks.Bitfield {
	if f == nil {
		return nil
	}
	return f.Clone()
}

// place puts the content under its name.
func (s *Swarm) place() {
	s.setPlaced(true)
	if err := s.cfg.Place(s.ctx); err != nil {
		s.fail(err)
		return
	}
	s.post(Event{Kind: PlacedNow})
}

// setPlaced waits for Blocks that are being written; if placed, none is written any more.
func (s *Swarm) setPlaced(placed bool) {
	s.landing.Lock()
	s.placed = placed
	s.landing.Unlock()
}

// recheckLoop hashes Blocks of ours that someone refused, one at a time.
func (s *Swarm) recheckLoop() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case rejected := <-s.rechecks:
			i := rejected.Index
			err := s.recheck(i)
			if err != nil {
				s.lose(i, err)
			}
			s.post(rejected) // only now: what is lost isn't to be sent again
			if s.cfg.OnReject != nil {
				s.cfg.OnReject(i, err)
			}
		}
	}
}

// lose takes back a Block of ours that can't be served (why). The Store forgets it before the core can ask for it anew, but not for
// want of permission: Place has set the file's mode then, which says nothing against its bytes.
func (s *Swarm) lose(i blocks.Index, why error) {
	s.mu.Lock()
	store := s.store
	s.mu.Unlock()
	if store != nil && !errors.Is(why, fs.ErrPermission) {
		if err := store.Forget(i); err != nil { // then the next run claims it, and finds out
			s.cfg.Log.Warn("forget a block", "block", i, "err", err)
		}
	}
	s.post(Event{Kind: Unreadable, Index: i})
}

var errChangedHere = errors.New("the block is no longer what was verified")

// recheck reads and hashes one of our Blocks.
func (s *Swarm) recheck(i blocks.Index) error {
	c := s.Content()
	if c == nil || c.BlockLen(i) == 0 {
		return nil
	}
	if s.cfg.Recheck != nil {
		return s.cfg.Recheck(i)
	}
	buf := s.buffer(c.BlockLen(i))
	defer s.recycle(buf)
	if err := s.read(i, 0, buf); err != nil {
		return err
	}
	if !c.Check(i, buf) {
		return errChangedHere
	}
	return nil
}

// read reads bytes of a held Block, the Manifest's from memory.
func (s *Swarm) read(i blocks.Index, offset uint32, p []byte) error {
	s.mu.Lock()
	c, r := s.content, s.reader
	s.mu.Unlock()
	if uint32(i) < c.Header().ManifestBlocks() {
		return c.ReadManifest(i, offset, p)
	}
	if r == nil {
		return errNotOpen
	}
	return r.ReadBlock(i, offset, p)
}

var errNotOpen = errors.New("no store yet")
