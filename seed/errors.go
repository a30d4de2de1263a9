package seed

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// Errors that a caller branches on.
var (
	// ErrChanged: a source file is no longer what was hashed; *ChangedError names it.
	ErrChanged = errors.New("source changed")
	// ErrUnreadable: a path to be seeded can't be read.
	ErrUnreadable = errors.New("cannot read")
	// ErrMissing: a path that was named isn't there.
	ErrMissing = errors.New("there is no")
	// ErrSameName: two of the paths that were named would have one name.
	ErrSameName = errors.New("would both be called")
	// ErrRefused: a path that receivers would refuse: an unsafe name, a symlink that leaves what is sent, a collision.
	ErrRefused = errors.New("cannot be sent")
	// ErrEmpty: nothing is left to be sent.
	ErrEmpty = errors.New("nothing to send")
	// ErrPattern: an exclude pattern that is malformed.
	ErrPattern = errors.New("bad exclude pattern")
	// ErrTicket: a word that is no usable ticket; the message says whether it is cut short, damaged, newer or no ticket at all.
	ErrTicket = errors.New("ticket")
	// ErrKeyFile: a key file that is malformed or open to others.
	ErrKeyFile = errors.New("key file")
	// ErrTicketFile: a ticket file that can't be used.
	ErrTicketFile = errors.New("ticket file")
)

// ChangedError names a source file that is no longer what was hashed. errors.Is(err, ErrChanged).
type ChangedError struct{ Path string }

// Error names the file, quoted.
func (e *ChangedError) Error() string { return "source changed: " + strconv.Quote(e.Path) }

// Is tells that this is ErrChanged.
func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// unreadable names a path in an ErrUnreadable. cause is an errno or another error without the path.
func unreadable(path string, cause error) error {
	return fmt.Errorf("%w %q: %w", ErrUnreadable, path, cause)
}

// trouble gathers what is wrong with the paths of a walk, so that one message tells how much there is. Only the first is kept.
type trouble struct {
	first error
	more  int
}

func (t *trouble) add(err error) {
	if t.first == nil {
		t.first = err
		return
	}
	t.more++
}

func (t *trouble) err() error {
	if t.more == 0 {
		return t.first
	}
	return fmt.Errorf("%w (and %d more like it)", t.first, t.more)
}

// cause strips what a file system error says of operation and path, which the message around it tells better.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
