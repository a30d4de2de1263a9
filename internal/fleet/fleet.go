package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"
)

const (
	maxTries   = 3                // of a host whose ssh dies in the middle, or that is too busy to take us
	retryAfter = time.Second      // times the attempts so far
	sendTime   = 5 * time.Minute  // for the program to be sent and to run
	silence    = 90 * time.Second // of a get that otherwise says something every few seconds
	maxSends   = 8                // of the program in one attempt: there are no more places
	maxLeft    = 100 * 3600       // seconds: a longer estimate is of something that stands still
	// ssh gives up so much before we do, and says at what.
	connectSpare = 2 * time.Second
	keepAlive    = 15 // seconds between ssh's questions whether the other side lives, of which it asks three
)

// Config says what a Fleet does. All fields but Place, Decided and AllDecided are needed.
type Config struct {
	Hosts    []Host
	SSH      []string      // the command line to log in with, before what we add: ssh
	Fanout   int           // logins at once
	Login    time.Duration // for a shell to answer
	Protocol int           // that a program there must speak
	Push     int           // the version of what it must understand of us
	Programs *Programs
	Place    string // an absolute directory on the hosts, for the program where there is no better place; empty: none
	Command  bool   // a result is followed by that of a command

	// Orders are what to tell a host's get: one line without its end. It may wait until there is something to tell. changed: the host
	// has changed what it has in an earlier attempt, or begun to. Called by many goroutines at once.
	Orders func(ctx context.Context, changed bool) ([]byte, error)
	// Decided is told of each verdict, one at a time.
	Decided func(Status)
	// AllDecided is called once, when the last verdict was told, and before the hosts' processes are told to end.
	AllDecided func()
}

// Fleet is one push to its hosts. Use New. Safe for concurrent use.
type Fleet struct {
	cfg    Config
	marker string
	slots  chan struct{} // one for each login under way
	sends  sends
	end    context.CancelFunc // of all sessions; set by Run

	mu    sync.Mutex
	hosts []*hostRun // the slice itself doesn't change
	open  int        // hosts without a verdict

	telling sync.Mutex // one Decided at a time
}

// hostRun is one host. The Fleet's mu guards it.
type hostRun struct {
	Status
	touched bool // it has fetched something, or said that it has changed
}

// New makes a Fleet; nothing runs yet.
func New(cfg Config) *Fleet {
	f := &Fleet{cfg: cfg, marker: "@p2pcp-" + rand.Text(), slots: make(chan struct{}, max(cfg.Fanout, 1)), open: len(cfg.Hosts)}
	for _, h := range cfg.Hosts {
		f.hosts = append(f.hosts, &hostRun{Status: Status{Host: h, Left: -1}})
	}
	return f
}

// Run brings every host to its verdict, then ends what still runs there, and returns when nothing does. The end of ctx ends it all
// before its time.
func (f *Fleet) Run(ctx context.Context) {
	ctx, f.end = context.WithCancel(ctx)
	defer f.end()
	var all sync.WaitGroup
	for _, h := range f.hosts {
		all.Go(func() { f.bring(ctx, h) })
	}
	all.Wait()
}

// Statuses are all hosts', in the order of Config.
func (f *Fleet) Statuses() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Status, len(f.hosts))
	for i, h := range f.hosts {
		all[i] = h.Status
	}
	return all
}

// bring attempts a host until there is a verdict, and returns when its last session has ended.
func (f *Fleet) bring(ctx context.Context, h *hostRun) {
	for {
		select {
		case f.slots <- struct{}{}:
		case <-ctx.Done():
			f.decide(h, verdict{Stopped, codeStopped, "stopped"})
			return
		}
		e := f.attempt(ctx, h)
		if f.decided(h) {
			return
		}
		v, again := f.judge(ctx, h, e)
		if !again {
			f.decide(h, v)
			return
		}
		f.update(h, func(s *Status) { s.State, s.Message, s.Rate, s.Left = Waiting, v.message, 0, -1 })
		select {
		case <-time.After(retryAfter * time.Duration(h.Tries)):
		case <-ctx.Done():
		}
	}
}

// decided tells whether a host has its verdict.
func (f *Fleet) decided(h *hostRun) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return h.State.Over()
}

// update changes what is known of a host, unless its verdict is told already.
func (f *Fleet) update(h *hostRun, change func(*Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !h.State.Over() {
		change(&h.Status)
	}
}

// verdict is how a host ends.
type verdict struct {
	state   State
	code    int
	message string
}

// decide gives a host its verdict; only the first counts.
func (f *Fleet) decide(h *hostRun, v verdict) {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.mu.Lock()
	if h.State.Over() {
		f.mu.Unlock()
		return
	}
	if h.touched && v.state == Unchanged {
		v.state = Changed
	}
	h.State, h.Code, h.Message, h.Ended, h.Rate, h.Left = v.state, v.code, v.message, time.Now(), 0, -1
	if v.state.Complete() {
		h.Done = h.Total
	}
	f.open--
	last, status := f.open == 0, h.Status
	f.mu.Unlock()
	if f.cfg.Decided != nil {
		f.cfg.Decided(status)
	}
	if last {
		if f.cfg.AllDecided != nil {
			f.cfg.AllDecided()
		}
		f.end()
	}
}

// command is ssh's whole command line for a host. What the user's own words say of an option holds: ssh takes the first. Forwardings
// of the user's configuration are for people who log in.
func (f *Fleet) command(h Host) []string {
	words := append([]string{}, f.cfg.SSH...)
	for _, option := range []string{
		"BatchMode=yes", fmt.Sprintf("ConnectTimeout=%d", max(1, int((f.cfg.Login-connectSpare).Seconds()))),
		fmt.Sprintf("ServerAliveInterval=%d", keepAlive), "ServerAliveCountMax=3", "ClearAllForwardings=yes",
	} {
		words = append(words, "-o", option)
	}
	return append(append(append(words, "-x", "-T"), h.args()...), login)
}
