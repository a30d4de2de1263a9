package swarm

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"p2pcp/blocks"
)

// Why a swarm ends early. cmd turns them into exit codes.
var (
	// ErrNobody: nobody was reached within Wait (6).
	ErrNobody = errors.New("no peer reached")
	// ErrLost: a Block has no holder (6).
	ErrLost = errors.New("a block has no holder left")
	// ErrStalled: holders are known, nothing moves (5).
	ErrStalled = errors.New("no progress")
)

// CoreConfig are the core's parameters. Zero values take the defaults named.
type CoreConfig struct {
	Self           string // our Member name
	ID             blocks.Root
	Zone           uint32           // hash of our zone's label, 0: none, which is a zone too
	Seed           bool             // we are a seed: we hold Have from the start, never fetch, never end by ourselves
	Blocks         uint32           // the Header's number, 0 if the Header isn't known yet (then a HeaderKnown event tells)
	Have           *blocks.Bitfield // a seed's Blocks
	ManifestBlocks uint32
	BlockSize      uint32
	Degree         int           // sessions wanted beyond FullMesh members: 16, and a quarter more where Blocks are large
	FullMesh       int           // other members up to which everyone talks to everyone: 20, with a Zone 40
	Width          int           // a seed's unasked Blocks in flight: one per receiver's session, 4 to 16
	Depth          int           // Requests outstanding on a session: 1; one more where sessions are few
	Lookahead      uint32        // bytes left of the current Block at which the next Request goes out: 32 KiB, more where rate x delay is more
	Uploads        int           // Blocks being sent at a time, 0: by their size (atOnce)
	Wait           time.Duration // for the first peer: 60 s
	Stall          time.Duration // without progress: 120 s
	Linger         Linger
	RandSeed       [2]uint64
}

// Core is one member's scheduling: Step takes a fact and appends what the shell must do. It is deterministic: the same
// CoreConfig and the same calls give the same Actions. Not safe for concurrent use.
//
// A receiver goes fetching (Manifest) -> opening -> fetching (content) -> placing -> lingering -> over, and from anywhere to
// draining on Interrupt; a seed stays fetching, without anything to fetch, until it drains.
type Core struct {
	cfg   CoreConfig
	now   time.Duration // of the Event being stepped; never goes back
	out   []Action      // what this Step orders
	rng   *rand.Rand
	phase phase

	n        uint32           // Blocks of the Index space; 0 until the Header is known
	manifest uint32           // of them the Manifest's
	have     *blocks.Bitfield // held and verified
	wanted   *blocks.Bitfield // a receiver's goal: the Manifest's Blocks until Opened; a seed's is what it holds
	claims   *blocks.Bitfield // wanted Blocks that may be on our disk: neither asked nor held until settled
	missing  uint32           // members of wanted that are not in have
	opened   bool
	placed   bool // the content lies under its name

	rows []row  // per Index
	pick picker // a receiver: what may be asked now, ranked by avail. A seed: what may be pushed, ranked by sent

	peers   []*peer // in order of arrival but for removals: what follows speaks of places there
	seeds   peerSet
	owing   peerSet  // reqs aren't empty
	moving  peerSet  // gave something since the last Tick
	sending peerSet  // sends aren't empty
	offered peerSet  // offered a place that they haven't used yet
	woken   peerList // may have room for a Request
	all     bool     // all of them are woken

	asks   int     // Requests of all peers
	sated  bool    // hasEnough, and nothing that it looks at has changed since but for more Requests
	dups   uint32  // Requests made for Blocks that were in flight already
	credit uint32  // what our ANY to seeds says
	shared float64 // bytes per second from receivers, at the last Tick
	most   float64 // bytes per second from all, at most at any Tick; of a seed, to all
	pace   float64 // bytes per second from all, smoothed for long
	paced  float64 // the most that this ever was
	lags   bool    // it has become too little

	push    pushState
	uploads int      // Blocks being sent
	slow    int      // of them, that were too slow at the last Tick to be counted
	refused peerList // were told busy; each is owed an Offer

	members    []*member // in order of arrival but for removals
	byName     map[string]*member
	suspects   map[suspect]*record // what was sent wrong, by whom
	standings  map[netip.Addr]*standing
	latecomers standing      // of sources for which there was no room there
	mesh       mesh          // who should be in session beyond FullMesh members
	dialing    int           // members with a dial under way
	swept      time.Duration // when those were looked through last
	reached    bool
	progress   time.Duration // when something last moved
	measured   time.Duration // when the rates were smoothed last
	lost       orphaned
	stay       lingering
	zones      *zoning // nil while everybody is of one zone

	// By place in peers: dense, for what is looked through again and again.
	ids      [maxPeers]PeerID
	interest [maxPeers]uint32        // how many members of pick it holds
	busy     [maxPeers]time.Duration // until when it isn't asked: it refused, and no Offer has ended that
}

// phase is where a Core is in its life.
type phase uint8

const (
	fetching phase = iota // asking for what is missing, if anything
	opening               // Open ordered, Opened not yet seen
	placing               // Place ordered, PlacedNow not yet seen
	staying               // complete and in place: serving only
	draining              // finishing what is being sent
	over                  // Done was ordered: nothing follows
)

// Limits and defaults.
const (
	defaultDegree    = 16               // more only makes each flow thinner: simulated, 64 receivers, 2048 Blocks: 16 costs 1.039, 32 1.058, 10 1.056
	defaultFullMesh  = 20               // 32 receivers all with all cost 1.070, with Degree 16 1.056 and half the HAVEs
	zonedFullMesh    = 40               // the same with zones: fewer sessions across cost 3 zones of 8 1.33 instead of 1.17
	defaultLookahead = 32 << 10         // bytes
	defaultBlockSize = 1 << 20          // bytes; until the Header is known
	maxRank          = 64               // copies beyond which a Block is common
	peerSends        = 64               // Blocks being sent on one session: beyond it a peer floods us
	drainTime        = 2 * time.Second  // for Blocks being sent when we leave
	defaultWait      = 60 * time.Second // for the first peer
	defaultStall     = 120 * time.Second
)

// NewCore returns a Core at time 0.
func NewCore(cfg CoreConfig) *Core {
	cfg = withDefaults(cfg)
	c := &Core{
		cfg:    cfg,
		rng:    rand.New(rand.NewPCG(cfg.RandSeed[0], cfg.RandSeed[1])),
		byName: map[string]*member{},

		suspects: map[suspect]*record{}, standings: map[netip.Addr]*standing{hearsay(): {}},
	}
	c.mesh = newMesh(c)
	if cfg.Blocks > 0 {
		c.header(cfg.Blocks, cfg.ManifestBlocks, cfg.BlockSize)
	}
	return c
}

func withDefaults(cfg CoreConfig) CoreConfig {
	cfg.Degree = cmp.Or(cfg.Degree, defaultDegree)
	mesh := defaultFullMesh
	if cfg.Zone != 0 {
		mesh = zonedFullMesh
	}
	cfg.FullMesh = cmp.Or(cfg.FullMesh, mesh)
	cfg.Depth = cmp.Or(cfg.Depth, 1)
	cfg.Lookahead = cmp.Or(cfg.Lookahead, defaultLookahead)
	cfg.BlockSize = cmp.Or(cfg.BlockSize, defaultBlockSize)
	cfg.Wait = cmp.Or(cfg.Wait, defaultWait)
	cfg.Stall = cmp.Or(cfg.Stall, defaultStall)
	return cfg
}

// Step takes one Event at a time since the start, and returns out with the Actions that follow appended. Events about
// Sessions that are down, and all after Done, are ignored.
func (c *Core) Step(now time.Duration, ev Event, out []Action) []Action {
	if c.phase == over {
		return out
	}
	c.now, c.out = max(c.now, now), out
	switch ev.Kind {
	case PeerUp, MemberUp, MemberGone, DialFailed:
		c.meet(ev)
	case Tick:
		c.ticked()
	case HeaderKnown, Opened, Released, Unreadable, PlacedNow, Interrupt:
		c.local(ev)
	case Verified:
		c.verified(ev)
	default:
		if p := c.session(ev.Peer); p != nil {
			c.said(p, ev)
		}
	}
	c.settle()
	out, c.out = c.out, nil
	return out
}

// meet takes what concerns who is there.
func (c *Core) meet(ev Event) {
	switch ev.Kind {
	case PeerUp:
		c.peerUp(ev)
	case MemberUp:
		c.memberUp(ev)
	case MemberGone:
		c.memberGone(ev)
	case DialFailed:
		c.dialFailed(ev.Member)
	}
}

// local takes what happened in our own process.
func (c *Core) local(ev Event) {
	switch ev.Kind {
	case HeaderKnown:
		if c.n == 0 && ev.Count > 0 {
			c.header(ev.Count, ev.Bytes, ev.Length)
		}
	case Opened:
		c.open(ev)
	case Released:
		c.released(ev.Index)
	case Unreadable:
		c.unreadable(ev.Index)
	case PlacedNow:
		c.placedNow()
	case Interrupt:
		c.drain()
	}
}

// said takes what came over, or happened to, a Session.
func (c *Core) said(p *peer, ev Event) {
	switch ev.Kind {
	case PeerDown:
		c.peerDown(p)
	case PeerHave:
		c.peerHave(p, ev.Spans)
	case PeerWithdraw:
		c.peerLacks(p, ev.Index)
	case Asked:
		c.asked(p, ev)
	case PeerAny:
		p.allows = min(ev.Count, peerSends)
	case Rejected:
		c.rejected(p, ev.Index)
	case Granted:
		c.granted(p, ev.Index)
	case Refused:
		c.wasRefused(p, ev)
	case Offered:
		c.busy[p.at] = 0
		c.wake(p)
	case Cancelled:
		c.cancelled(p, ev)
	case Progress:
		c.progressed(p, ev)
	case Bad:
		c.bad(p, ev.Index)
	case Served:
		c.served(p, ev)
	}
}

// settle draws the conclusions that any Event may allow.
func (c *Core) settle() {
	if c.phase == over {
		return
	}
	c.completed()
	c.grantMore()
	c.offerMore()
	c.fillWoken()
	c.drained()
}

// ticked does what time brings.
func (c *Core) ticked() {
	c.measure()
	c.findOverdue()
	c.dropMute()
	c.forgetPushes()
	c.takeTurns()
	c.trim()
	c.forgetDials()
	c.dialMore()
	c.giveUp()
	c.lingered()
	c.wakeAll()
}

// order appends an Action.
func (c *Core) order(a Action) { c.out = append(c.out, a) }

// end orders Done.
func (c *Core) end(err error) {
	if c.phase != over {
		c.phase = over
		c.order(Action{Kind: Done, Err: err})
	}
}
