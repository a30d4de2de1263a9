package swarm

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
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
	Zone      uint32
	Up, Down  *rate.Limiter // content bytes per second; nil: no limit

	// OnResult takes a RESULT at a seed and tells whether it was taken; nil: not a seed. OnPeer learns of each new session, OnReject of
	// a Block of ours that someone refused or that can't be read (err says why, nil if it proved right). They must not block.
	OnResult func(from netip.Addr, r wire.Result) bool
	OnPeer   func(p Peer)
	OnReject func(i blocks.Index, err error)
	// Recheck reads and hashes one of a seed's Blocks that someone refused; nil: by Source and Content alone.
	Recheck func(i blocks.Index) error
	Ledger  func() []wire.LedgerRow
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
	haveDelay   = 3 * time.Millisecond // HAVEs of this long go out together; 2-5 ms cost nothing measurable
	maxSessions = 64
	maxObserver = 32
	eventQueue  = 1024
	leaveTime   = 2500 * time.Millisecond // bound on leaving after Interrupt
)

// Swarm is one running exchange. New makes it, Run runs it once; the other methods are safe at any time.
type Swarm struct {
	cfg    Config
	events chan Event
	fatal  chan error
	start  time.Time
	pool   sync.Pool // *[]byte of the block size
	count  counters
	snap   atomic.Pointer[Snapshot]
	ready  chan struct{} // closed when the Header is known
	met    atomic.Bool   // a session stood at some time

	observers chan struct{} // places
	rechecks  chan blocks.Index

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
	banned   map[string]bool
	nextPeer PeerID
	result   *wire.Result // repeated to every seed that appears
	waiting  []net.Conn   // accepted before Run

	loop loopState
}

// loopState is what only the loop goroutine touches.
type loopState struct {
	core    *Core
	actions []Action
	pending []blocks.Index // announced, HAVE not yet sent
	gossip  []wire.Peer    // members to tell the sessions of
	flush   *time.Timer
	armed   bool
	done    bool
	err     error
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
		observers: make(chan struct{}, maxObserver),
		rechecks:  make(chan blocks.Index, 64),
		sessions:  map[PeerID]*session{},
		byMember:  map[string]*session{},
		banned:    map[string]bool{},
	}
	if cfg.Content != nil {
		h := cfg.Content.Header()
		s.content, s.reader = cfg.Content, cfg.Source
		s.cfg.Core.Blocks, s.cfg.Core.ManifestBlocks, s.cfg.Core.BlockSize = h.Blocks, h.ManifestBlocks(), h.BlockSize
		s.have = s.cfg.Core.Have.Clone()
		close(s.ready)
	}
	s.loop.core = NewCore(s.cfg.Core)
	s.snap.Store(&Snapshot{})
	return s
}

// Run takes part in the swarm until the core is done (nil or why it ended early), a local fault ends it, or ctx ends
// (context's cause, after at most 2.5 s of leaving). Every goroutine it started has ended when it returns.
func (s *Swarm) Run(ctx context.Context) error {
	s.start = time.Now()
	s.taskMu.Lock()
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.taskMu.Unlock()
	defer s.end()
	s.adoptWaiting()
	s.spawn(s.recheckLoop)
	if len(s.cfg.Bootstrap) > 0 {
		s.spawn(s.bootstrap)
	}
	return s.runLoop(ctx)
}

// end cancels what runs and waits for it.
func (s *Swarm) end() {
	s.cancel()
	s.taskMu.Lock()
	s.closed = true
	s.taskMu.Unlock()
	s.mu.Lock()
	for _, ss := range s.sessions {
		ss.close(nil)
	}
	s.mu.Unlock()
	s.tasks.Wait()
}

// spawn runs f as a goroutine of Run; false if Run is over.
func (s *Swarm) spawn(f func()) bool {
	s.taskMu.Lock()
	defer s.taskMu.Unlock()
	if s.closed || s.ctx == nil {
		return false
	}
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		f()
	}()
	return true
}

// post gives the loop a fact; false if the loop is gone.
func (s *Swarm) post(e Event) bool {
	select {
	case s.events <- e:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// fail ends Run with a local fault; the first one counts.
func (s *Swarm) fail(err error) {
	if err == nil || (errors.Is(err, context.Canceled) && s.ctx.Err() != nil) {
		return
	}
	select {
	case s.fatal <- err:
	default:
	}
}

// runLoop is the loop: it alone steps the core.
func (s *Swarm) runLoop(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	s.loop.flush = time.NewTimer(time.Hour)
	defer s.loop.flush.Stop()
	interrupt, leave := ctx.Done(), (<-chan time.Time)(nil)
	for n := 0; !s.loop.done; n++ {
		select {
		case e := <-s.events:
			s.step(e)
		case <-ticker.C:
			s.step(Event{Kind: Tick})
			s.publish()
		case <-s.loop.flush.C:
			s.flushHave()
		case err := <-s.fatal:
			s.goodbye(err)
			return err
		case <-interrupt:
			interrupt, leave = nil, time.After(leaveTime)
			s.step(Event{Kind: Interrupt})
		case <-leave:
			s.loop.done = true
		}
	}
	s.goodbye(s.loop.err)
	s.publish()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.loop.err
}

// step feeds the core one Event and does what it orders.
func (s *Swarm) step(e Event) {
	s.before(e)
	s.loop.actions = s.loop.core.Step(time.Since(s.start), e, s.loop.actions[:0])
	for _, a := range s.loop.actions {
		s.perform(a)
	}
	s.after(e)
}

// goodbye flushes what was announced and says BYE on every session; the sessions get a moment to write it.
func (s *Swarm) goodbye(error) {
	s.flushHave()
	s.mu.Lock()
	all := make([]*session, 0, len(s.sessions))
	for _, ss := range s.sessions {
		all = append(all, ss)
	}
	s.mu.Unlock()
	for _, ss := range all {
		ss.leave()
	}
	deadline := time.After(300 * time.Millisecond)
	for _, ss := range all {
		select {
		case <-ss.gone:
		case <-deadline:
			return
		}
	}
}

// AddMember tells the core of a member learned elsewhere (gossip); DropMember that it has left or died.
func (s *Swarm) AddMember(member string, addr netip.AddrPort, seed bool) {
	s.tell(Event{Kind: MemberUp, Member: member, Addr: addr, Seed: seed})
}

// DropMember tells the core that a member has left or died.
func (s *Swarm) DropMember(member string) { s.tell(Event{Kind: MemberGone, Member: member}) }

// tell posts from outside of Run's goroutines: before Run and after it nothing happens.
func (s *Swarm) tell(e Event) {
	s.taskMu.Lock()
	ctx := s.ctx
	s.taskMu.Unlock()
	if ctx == nil {
		return
	}
	s.post(e)
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
