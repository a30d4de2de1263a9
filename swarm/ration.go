package swarm

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// What the control frames of one source may cost us, in units of about 2 us. A member that has Blocks to ask for and to tell of stays
// far below: each content byte that moves adds to it. Who goes on beyond it waits, and nobody else does.
const (
	rationRate  = 5000  // units a second
	rationBurst = 20000 // unspent at most
	rationBytes = 4096  // content bytes for one more
	floodTime   = 2 * time.Second
	maxJunk     = 16   // Blocks that nobody waits for, beyond as many as somebody does
	maxRations  = 1024 // sources that are remembered
)

var errFlood = fmt.Errorf("%w: a flood", errProtocol)

// ration is one source's. Safe for concurrent use.
type ration struct {
	mu   sync.Mutex
	left float64
	at   time.Time // when left was reckoned
}

// spend takes n units, and tells how long to wait for them.
func (r *ration) spend(now time.Time, n float64) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = min(r.left+now.Sub(r.at).Seconds()*rationRate, rationBurst)
	r.at = now
	r.left -= n
	if r.left >= 0 {
		return 0
	}
	return time.Duration(-r.left / rationRate * float64(time.Second))
}

// earn adds what so many content bytes allow.
func (r *ration) earn(bytes uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = min(r.left+float64(bytes)/rationBytes, rationBurst)
}

// rested tells whether nothing would be lost by forgetting it.
func (r *ration) rested(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left+now.Sub(r.at).Seconds()*rationRate >= rationBurst
}

// rationOf finds or makes the ration of a source; s.mu is held.
func (s *Swarm) rationOf(source netip.Addr) *ration {
	r := s.rations[source]
	if r != nil {
		return r
	}
	now := time.Now()
	if len(s.rations) >= maxRations {
		for k, o := range s.rations {
			if o.rested(now) {
				delete(s.rations, k)
			}
		}
	}
	r = &ration{left: rationBurst, at: now}
	s.rations[source] = r
	return r
}

// cost is what a frame costs us, in units.
func (s *Swarm) cost(t wire.Type, p []byte) float64 {
	switch t {
	case wire.TTree:
		if m, err := wire.ParseTree(p); err == nil {
			return 8 + float64(m.Count)/64
		}
	case wire.TAsk: // a slice costs reading and hashing all of its Block
		if m, err := wire.ParseRequest(p); err == nil && s.sliced(m) {
			return 1 + float64(s.Content().Header().BlockSize)/(16<<10)
		}
	case wire.TResult:
		return 50
	case wire.TStatus:
		return 1000
	}
	return 1 + float64(len(p))/64
}

// sliced tells whether less than a whole Block is asked for.
func (s *Swarm) sliced(m wire.Request) bool {
	c := s.Content()
	return c != nil && m.Length != c.BlockLen(blocks.Index(m.Index))
}

// pace waits until a frame may be acted on. Who is made to wait for long all the same is flooding us.
func (ss *session) pace(t wire.Type, p []byte) error {
	begin := time.Now()
	wait := ss.ration.spend(begin, ss.s.cost(t, p))
	if wait <= 0 {
		return nil
	}
	if !ss.s.sleep(min(wait, floodTime)) {
		return ss.s.ctx.Err()
	}
	if ss.in.waited += time.Since(begin); ss.in.waited > floodTime {
		return errFlood
	}
	ss.stillThere()
	return nil
}

// junk counts bytes that nobody waits for.
func (ss *session) junk(n uint32) error {
	size := uint64(blocks.MaxBlockSize)
	if c := ss.s.Content(); c != nil {
		size = uint64(c.Header().BlockSize)
	}
	if ss.in.junk += uint64(n); ss.in.junk > maxJunk*size+ss.in.useful {
		return errFlood
	}
	return nil
}
