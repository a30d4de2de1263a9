package blocks

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"
)

// ErrNotOurs marks a partial directory that another user owns or can write, or that is no directory: it isn't touched.
var ErrNotOurs = errors.New("partial directory is not ours")

// lockPoll is the time between two attempts at a lock that another process holds: flock can't be waited for under a
// context, and a tenth of a second isn't noticed beside a transfer.
const lockPoll = 100 * time.Millisecond

// Lock is a held target: the partial directory beside it, open and locked. Open hands it to a Store; until then its owner
// must Release it. Not safe for concurrent use.
type Lock struct {
	cfg     StoreConfig
	parent  *os.Root // the directory that holds the target
	name    string   // the target's name in parent
	partial string   // the partial directory's name in parent
	dir     *os.Root // the partial directory
	handle  *os.File // the same; its flock is the lock
	shared  bool     // no lock could be had: the partial directory is of this process alone, and the last rename wins
	taken   bool     // a Store owns the lock
	vacant  bool     // nothing had the target's name when the Store was opened
	once    sync.Once
}

// LockTarget takes the target's lock (waits; ctx ends it): .NAME.p2pcp is made, 0700, checked to be ours, flocked and
// re-checked. Where flock isn't supported a .NAME.p2pcp-RANDOM is made. What the lock holder then sees of the target
// is stable as far as other gets are concerned. The directory that holds the target must exist (fs.ErrNotExist), and not be
// where another user's symlink leads astray (ErrForeignLink).
func LockTarget(ctx context.Context, cfg StoreConfig) (*Lock, error) {
	parentPath, name := filepath.Split(filepath.Clean(cfg.Target))
	if !filepath.IsAbs(cfg.Target) || name == "" {
		return nil, fmt.Errorf("lock %q: not an absolute path of a file or directory", cfg.Target)
	}
	parent, err := openDestination(parentPath)
	if err != nil {
		return nil, fmt.Errorf("open destination: %w", err)
	}
	l := &Lock{cfg: cfg, parent: parent, name: name, partial: partialName(name)}
	if err = l.acquire(ctx); err != nil {
		parent.Close()
		return nil, fmt.Errorf("lock %q: %w", cfg.Target, err)
	}
	if err = l.restore(ctx); err != nil {
		_ = l.release(ctx, false)
		return nil, fmt.Errorf("recover %q: %w", cfg.Target, err)
	}
	return l, nil
}

// partialName is .NAME.p2pcp, with NAME cut and completed by a hash where it would leave no room for that and -RANDOM.
func partialName(name string) string {
	const room = maxName - len(".") - len(".p2pcp-01234567")
	if len(name) > room {
		sum := Sum([]byte(name)).Short()
		cut := room - len(sum) - 1
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + "~" + sum
	}
	return "." + name + ".p2pcp"
}

// acquire opens the partial directory and waits for its lock.
func (l *Lock) acquire(ctx context.Context) error {
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	told := false
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		got, err := l.attempt()
		switch {
		case errors.Is(err, errLockUnsupported):
			return l.standAlone()
		case err != nil:
			return err
		case got == locked:
			return nil
		case got == vanished:
			continue
		}
		if !told && l.cfg.OnWait != nil {
			l.cfg.OnWait()
		}
		told = true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		}
	}
}

// attempted is what came of one attempt at the lock.
type attempted uint8

const (
	locked   attempted = iota // it is ours
	held                      // another process has it
	vanished                  // its holder removed the directory meanwhile
)

// attempt makes or opens the partial directory and tries its lock once.
func (l *Lock) attempt() (attempted, error) {
	if err := l.parent.Mkdir(l.partial, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("make partial directory: %w", err)
	}
	err := l.openPartial()
	if errors.Is(err, fs.ErrNotExist) {
		return vanished, nil
	}
	if err != nil {
		return 0, err
	}
	got, err := tryLock(l.handle)
	switch {
	case err != nil:
		if errors.Is(err, errLockUnsupported) {
			_ = l.parent.Remove(l.partial) // stays if another process uses it
		}
	case !got:
		l.closePartial()
		return held, nil
	case l.moved():
		l.closePartial()
		return vanished, nil
	default:
		return locked, nil
	}
	l.closePartial()
	return 0, err
}

// openPartial opens the partial directory and checks that it is ours.
func (l *Lock) openPartial() error {
	before, err := l.parent.Lstat(l.partial)
	if err != nil {
		return err
	}
	if !before.IsDir() {
		return l.notOurs("it is no directory")
	}
	if l.dir, err = l.parent.OpenRoot(l.partial); err != nil {
		return err
	}
	if l.handle, err = l.dir.Open("."); err != nil {
		l.closePartial()
		return err
	}
	fi, err := l.handle.Stat()
	switch {
	case err != nil:
	case !os.SameFile(before, fi):
		err = fs.ErrNotExist // replaced between the two looks: look again
	default:
		err = l.checkOurs(fi)
	}
	if err != nil {
		l.closePartial()
	}
	return err
}

// moved tells whether the path no longer is the directory that was locked.
func (l *Lock) moved() bool {
	now, err := l.parent.Lstat(l.partial)
	if err != nil {
		return true
	}
	fi, err := l.handle.Stat()
	return err != nil || !os.SameFile(now, fi)
}

// standAlone makes a partial directory that no other process uses, for file systems without locks.
func (l *Lock) standAlone() error {
	l.partial += "-" + randomHex()
	l.shared = true
	if err := l.parent.Mkdir(l.partial, 0o700); err != nil {
		return fmt.Errorf("make partial directory: %w", err)
	}
	return l.openPartial()
}

// Release gives up the lock and removes the partial directory if it is empty of progress. It does nothing once a Store owns
// the lock, so that it can be deferred.
func (l *Lock) Release() error {
	if l.taken || l.dir == nil {
		return nil
	}
	return l.release(context.Background(), l.shared || !l.hasProgress())
}

// Discard is Release for a target that turned out to be c already: what an interrupted get of c has left is then of no use to
// anybody, and goes. What one of other content has left stays.
func (l *Lock) Discard(ctx context.Context, c *Content) error {
	if l.taken || l.dir == nil {
		return nil
	}
	return l.release(ctx, l.shared || !l.hasProgress() || l.isOf(c))
}

// isOf tells whether the partial directory's journal is one of c.
func (l *Lock) isOf(c *Content) bool {
	f, _, err := openRegular(l.dir, journalName, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	return isJournalOf(f, c)
}

// hasProgress tells whether an earlier get left something in the partial directory.
func (l *Lock) hasProgress() bool {
	for _, name := range []string{contentName, oldName} {
		if _, err := l.dir.Lstat(name); err == nil {
			return true
		}
	}
	return false
}

// release closes the partial directory after removing it: with all that is in it, until ctx ends, if wipe is set, else if it is
// empty.
func (l *Lock) release(ctx context.Context, wipe bool) (err error) {
	l.once.Do(func() {
		if !l.moved() {
			err = l.remove(ctx, wipe)
		}
		l.closePartial()
		l.parent.Close()
	})
	return err
}

// swept tells whether nothing but the journal is left in the partial directory.
func (l *Lock) swept() bool {
	names, err := namesIn(l.dir)
	return err == nil && (len(names) == 0 || len(names) == 1 && names[0] == journalName)
}

// remove removes the partial directory. What is in it goes through its descriptor: whoever may rename in the parent could put
// another directory under its name meanwhile.
func (l *Lock) remove(ctx context.Context, wipe bool) error {
	if !wipe {
		_ = l.parent.Remove(l.partial)
		return nil
	}
	names, err := namesIn(l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := removeTree(ctx, l.dir, name); err != nil {
			return err
		}
	}
	return l.parent.Remove(l.partial)
}

func (l *Lock) closePartial() {
	if l.handle != nil {
		l.handle.Close()
	}
	if l.dir != nil {
		l.dir.Close()
	}
	l.handle, l.dir = nil, nil
}

// randomHex returns 8 random hex digits.
func randomHex() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
