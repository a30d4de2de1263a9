package swarm

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// Reader reads bytes of held Blocks beyond the Manifest's. Safe for concurrent use.
type Reader interface {
	ReadBlock(i blocks.Index, offset uint32, p []byte) error
}

// Store is where a receiver's verified Blocks go. Safe for concurrent use.
type Store interface {
	Reader
	// WriteBlock keeps a whole verified Block.
	WriteBlock(i blocks.Index, p []byte) error
	// Forget takes a Block back that can't be read any more, or reads wrong.
	Forget(i blocks.Index) error
	// Check settles every claim by one call of has or lacks.
	Check(ctx context.Context, fetch blocks.TreeFetcher, has, lacks func(blocks.Index)) error
}

// Opening is what Config.Open returns.
type Opening struct {
	Store  Store
	Claims *blocks.Bitfield // Blocks that may be held already, settled by Store.Check; nil: none
	Placed bool             // the content lies under its final name already
}

// Net is how a Swarm reaches others.
type Net interface {
	// Dial connects and passes the handshake.
	Dial(ctx context.Context, to netip.AddrPort, kind port.Kind) (net.Conn, error)
}

// Config of a Swarm. Content and Source are a seed's, Open and Place a receiver's.
type Config struct {
	Core    CoreConfig
	Content *blocks.Content
	Source  Reader
	Open    func(ctx context.Context, c *blocks.Content) (Opening, error)
	Place   func(ctx context.Context) error

	Net       Net
	Bootstrap []netip.AddrPort // tried until a first session stands: the ticket's addresses, --join
	Listen    netip.AddrPort   // where others can dial us; an unspecified IP means the local address of each connection
	Up, Down  *rate.Limiter    // content bytes per second, with a burst of at least one byte; nil: no limit

	// OnResult takes a RESULT at a seed and tells whether it was taken; nil: not a seed. OnPeer learns of each new session, OnReject of
	// a Block of ours that someone refused or that can't be read (err says why, nil if it proved right). They must not block.
	OnResult func(from netip.Addr, r wire.Result) bool
	OnPeer   func(p Peer)
	OnReject func(i blocks.Index, err error)
	// Recheck reads and hashes one of a seed's Blocks that someone refused; nil: by Source and Content alone.
	Recheck func(i blocks.Index) error
	Ledger  func() []wire.LedgerRow
	Account func() ([]wire.Trace, []wire.Sample) // a seed's, for a REPORT that is to have them; nil: nothing
	Host    string
	Log     *slog.Logger
}

// Peer is what is known of a session's other side.
type Peer struct {
	Member string
	Addr   netip.AddrPort // where it can be dialled; port 0 if it can't
	Local  netip.AddrPort // our side of the connection
	Seed   bool
}

const (
	tick        = 50 * time.Millisecond
	maxSessions = 64 // the core keeps fewer; the rest is room for those that come and are turned away
	maxLanders  = 8  // Blocks that land beside the readers: with one buffer each
	eventQueue  = 1024
)

// Swarm is one running exchange. New makes it, Run runs it once; the other methods are safe at any time.
type Swarm struct {
	cfg    Config
	events chan Event
	fatal  chan error
	start  time.Time
	pool   sync.Pool // *[]byte of the block size
	frames sync.Pool // *[]byte that DATA frames are made in
	count  counters
	snap   atomic.Pointer[Snapshot]
	ready  chan struct{} // closed when the Header is known
	met    atomic.Bool   // a session stood at some time

	observers guests
	greeting  guests
	rechecks  chan Event    // Rejected
	landers   chan struct{} // places beside the readers

	// landing keeps Place from overtaking a Block that is being written: who lands one holds it with others, who places holds it
	// alone. placed is guarded by it: nothing is written any more.
	landing sync.RWMutex
	placed  bool

	// tasks belong to Run; guarded by taskMu until closed.
	taskMu sync.Mutex
	tasks  sync.WaitGroup
	closed bool
	ctx    context.Context // ends when Run is to end; set by Run before anything is accepted
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows
	content  *blocks.Content
	reader   Reader
	store    Store
	have     *blocks.Bitfield // what was announced to sessions
	sessions map[PeerID]*session
	byMember map[string]*session
	banned   map[suspect]bool
	bans     map[netip.Addr]int // names of a source that are banned
	blamed   map[suspect]*misdeeds
	rations  map[netip.Addr]*ration
	fed      map[string]*atomic.Uint64 // bytes of content, by who sent them
	nextPeer PeerID
	result   *wire.Result               // repeated to every seed that appears
	waiting  []net.Conn                 // accepted before Run
	contacts map[netip.AddrPort]contact // of Config.Bootstrap
	unmet    error                      // why none of them answered the last time; nil: one did, or none was tried

	loop loopState
}

// loopState is what only the loop goroutine touches.
type loopState struct {
	core     *Core
	actions  []Action
	held     time.Time     // when a Block was announced last
	gap      time.Duration // between two of them, smoothed
	farTold  time.Time     // when other zones were told last
	gossip   []wire.Peer   // members to tell the sessions of
	flush    *time.Timer
	farFlush *time.Timer
	armed    bool
	farArmed bool
	done     bool
	err      error
}

// New makes a Swarm. It starts nothing.
func New(cfg Config) *Swarm {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Swarm{
		cfg:       cfg,
		events:    make(chan Event, eventQueue),
		fatal:     make(chan error, 1),
		ready:     make(chan struct{}),
		observers: guests{max: maxObserver},
		greeting:  guests{max: maxGreeting},
		rechecks:  make(chan Event, 64),
		landers:   make(chan struct{}, min(runtime.NumCPU(), maxLanders)),
		sessions:  map[PeerID]*session{},
		byMember:  map[string]*session{},
		banned:    map[suspect]bool{},
		bans:      map[netip.Addr]int{},
		blamed:    map[suspect]*misdeeds{},
		rations:   map[netip.Addr]*ration{},
		contacts:  map[netip.AddrPort]contact{},
	}
	if cfg.Content != nil {
		h := cfg.Content.Header()
		s.content, s.reader = cfg.Content, cfg.Source
		s.cfg.Core.Blocks, s.cfg.Core.ManifestBlocks, s.cfg.Core.BlockSize = h.Blocks, h.ManifestBlocks(), h.BlockSize
		s.have = s.cfg.Core.Have.Clone()
		close(s.ready)
	}
	s.frames.New = func() any { return new([]byte) }
	s.loop.core = NewCore(s.cfg.Core)
	s.snap.Store(&Snapshot{})
	return s
}

// AddMember tells the core of a member learned elsewhere (gossip); DropMember that it has left or died.
func (s *Swarm) AddMember(member string, addr netip.AddrPort, seed bool, zone uint32) {
	s.tell(Event{Kind: MemberUp, Member: member, Addr: addr, Source: hearsay(), Seed: seed && s.vouched(addr.Addr()), Zone: zone})
}

// DropMember tells the core that a member has left or died.
func (s *Swarm) DropMember(member string) {
	s.tell(Event{Kind: MemberGone, Member: member, Source: hearsay()})
}

// tell posts from outside of Run's goroutines. What comes before Run waits for it, as far as there is room; after Run nothing
// happens.
func (s *Swarm) tell(e Event) {
	if s.running() {
		s.post(e)
		return
	}
	select {
	case s.events <- e:
	default:
	}
}

// Content is what is known of the content; nil until a Header has arrived.
func (s *Swarm) Content() *blocks.Content {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.content
}

// buffer lends a Block buffer of n bytes; recycle takes it back.
func (s *Swarm) buffer(n uint32) []byte {
	if b, ok := s.pool.Get().(*[]byte); ok && uint32(cap(*b)) >= n {
		return (*b)[:n]
	}
	size := max(n, s.Content().Header().BlockSize)
	return make([]byte, size)[:n]
}

func (s *Swarm) recycle(b []byte) { s.pool.Put(&b) }

// closeQuietly closes what nobody waits for any more.
func closeQuietly(c io.Closer) { _ = c.Close() }
