package blocks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Errors that a caller branches on.
var (
	ErrNoSpace  = errors.New("not enough space")                             // told before anything is written
	ErrLeftover = errors.New("in place, but what it replaced isn't removed") // of Sweep
)

// Names in the partial directory, beside the journal.
const (
	contentName   = "content"   // what is being received, at its final relative paths
	oldName       = "old"       // what a get of other content had received: only read
	replacedName  = "replaced"  // the old target between the two steps of a swap: it comes back if nothing takes its place
	discardedName = "discarded" // the old target once the new one is in place: for Sweep
)

// TreeFetcher completes level 0 of a large file's Tree from peers (Content keeps the nodes). file is TREE's numbering.
type TreeFetcher interface {
	FetchTree(ctx context.Context, file uint32) error
}

// StoreConfig says where and how a Store keeps what arrives.
type StoreConfig struct {
	Target   string               // final path, absolute
	Fsync    bool                 // flush files and directories before and after the rename
	OnWait   func()               // called once if another process holds the target
	Umask    uint16               // bits taken from modes
	Progress func(checked uint64) // bytes of local content hashed so far; from any goroutine, so a call may come after a higher one
}

// phase is a Store's state: receiving -> placed -> closed, or from receiving to closed; OpenPlaced begins with placed.
type phase uint8

const (
	receiving phase = iota // Blocks are written
	placed                 // all is under its final name; only reading
	closed                 // no files are open
)

// Store keeps verified Blocks in .NAME.p2pcp beside the target until Place. Safe for concurrent use. It starts goroutines in
// Check and Place only, which wait for them; it owns no memory but the bitfields and, during Check, a Block per worker.
//
// Open, Check, Place, Sweep, Close follow each other. One that is called while another runs waits for it.
type Store struct {
	content *Content
	cfg     StoreConfig
	lock    *Lock // nil if OpenPlaced
	single  bool  // the content is one file
	journal *journal
	wanted  *Bitfield // every Block but the zero ones; read only

	// What Check has to settle; written by Lock.Open and OpenPlaced only.
	claims  *Bitfield
	written *Bitfield  // those of claims that the journal makes: at their place in the content
	reuse   candidates // where the others may be

	// writing keeps two writers of one Block apart: the slower one then finds it held.
	writing [64]sync.Mutex

	stages sync.Mutex // held by Check, Place, Sweep and Close: one at a time
	// Guarded by stages.
	unswept  bool  // all is in place, and the partial directory still there
	leftover error // of its removal, until it is told

	// io is held shared by everything that reads or writes content, and alone to change what it guards.
	io    sync.RWMutex
	phase phase // changed under stages too
	at    shelf
	files *openFiles // of the large files, and of a single one

	mu   sync.Mutex
	have *Bitfield // verified by this process, the Manifest's included; guarded by mu
}

// Claims are the Blocks that may already be on this disk: by the journal, or in files that the old target or an older partial
// holds (same path, or same size as a wanted file). Check settles each. A fresh copy.
func (s *Store) Claims() *Bitfield { return s.claims.Clone() }

// Open makes the Store under a held Lock for c (which is open): loads the journal, checks the free space (ErrNoSpace
// wrapped with both figures), makes directories and files (holes stay holes). With an error the Lock stays the caller's.
func (l *Lock) Open(ctx context.Context, c *Content) (*Store, error) {
	s := newStore(c, l.cfg)
	s.lock = l
	err := s.open(ctx)
	if err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("open %q: %w", filepath.Join(l.parent.Name(), l.partial), err)
	}
	l.taken = true
	return s, nil
}

func newStore(c *Content, cfg StoreConfig) *Store {
	s := &Store{content: c, cfg: cfg, single: !c.Header().Dir, wanted: c.Layout().Wanted()}
	s.claims, s.written = NewBitfield(s.wanted.Len()), NewBitfield(s.wanted.Len())
	s.have = NewBitfield(s.wanted.Len())
	s.have.SetSpan(s.manifestSpan())
	return s
}

// manifestSpan is the run of the Manifest's Blocks.
func (s *Store) manifestSpan() Span { return Span{Count: s.content.Header().ManifestBlocks()} }

// open brings the partial directory into the state in which Blocks can be written.
func (s *Store) open(ctx context.Context) error {
	dir := s.lock.dir
	_, err := s.lock.parent.Lstat(s.lock.name)
	s.lock.vacant = errors.Is(err, fs.ErrNotExist)
	j, same, err := openJournal(dir, s.content)
	if err != nil {
		return err
	}
	s.journal = j
	if _, err := dir.Lstat(contentName); errors.Is(err, fs.ErrNotExist) {
		same = false // a kill between Place and Sweep leaves a journal that claims all of it
	}
	if !same {
		if err = setAside(ctx, dir); err != nil {
			return err
		}
	}
	if err = s.checkSpace(ctx); err != nil {
		return err
	}
	if !same {
		if err = j.reset(); err != nil {
			return err
		}
	} else if s.written, err = j.load(s.wanted); err != nil {
		return err
	}
	if err = s.prepare(ctx); err != nil {
		return err
	}
	if err = s.findCandidates(ctx); err != nil {
		return err
	}
	s.claim()
	return nil
}

// setAside makes the content of another get a place to draw from. An older one gives way to it.
func setAside(ctx context.Context, dir *os.Root) error {
	_, err := dir.Lstat(contentName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = removeTree(ctx, dir, oldName)
	}
	if err == nil {
		err = dir.Rename(contentName, oldName)
	}
	if err != nil {
		return fmt.Errorf("set older partial aside: %w", err)
	}
	return nil
}

// OpenPlaced is the Store over a target that is already in place (for `unchanged`): nothing is written. Claims is everything
// wanted; Check hashes it, calling lacks for Blocks that differ.
func OpenPlaced(c *Content, target string) (*Store, error) {
	s := newStore(c, StoreConfig{Target: target})
	s.phase = placed
	err := s.openTarget()
	if err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("open %q: %w", target, err)
	}
	s.written = s.wanted.Clone()
	s.written.ClearSpan(s.manifestSpan())
	s.claim()
	return s, nil
}

// openTarget finds the files of a target in place, which must be of the content's kind.
func (s *Store) openTarget() error {
	parentPath, name := filepath.Split(filepath.Clean(s.cfg.Target))
	parent, err := os.OpenRoot(parentPath)
	if err != nil {
		return err
	}
	fi, err := parent.Lstat(name)
	switch {
	case err != nil:
	case s.single && fi.Mode().IsRegular():
		s.at = shelf{root: parent, only: name}
		s.files = newOpenFiles(parent, os.O_RDONLY)
		return nil
	case s.single || !fi.IsDir():
		err = errors.New("not what the manifest says")
	default:
		s.at.root, err = parent.OpenRoot(name)
	}
	parent.Close()
	if err == nil {
		s.files = newOpenFiles(s.at.root, os.O_RDONLY)
	}
	return err
}

// Close gives up files and the lock. The partial stays for the next run unless it holds no progress; after Place it does what
// Sweep does, if that wasn't called.
func (s *Store) Close() error {
	s.stages.Lock()
	defer s.stages.Unlock()
	s.io.Lock()
	was := s.phase
	s.phase = closed
	s.io.Unlock()
	if was == closed {
		return nil
	}
	s.closeFiles()
	if s.lock == nil || was == placed {
		return s.sweep(context.Background())
	}
	s.mu.Lock()
	empty := s.have.Count() == s.manifestSpan().Count && s.written.Count() == 0
	s.mu.Unlock()
	if _, err := s.lock.dir.Lstat(oldName); err == nil {
		empty = false
	}
	return s.lock.release(context.Background(), s.lock.shared || empty)
}

// closeFiles closes all but the lock.
func (s *Store) closeFiles() {
	s.reuse.close()
	if s.files != nil {
		s.files.close()
	}
	if s.journal != nil {
		s.journal.f.Close()
	}
	if s.at.root != nil && (s.lock == nil || s.at.root != s.lock.dir) {
		s.at.root.Close()
	}
}
