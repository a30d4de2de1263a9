package seed

import (
	"container/list"
	"errors"
	"os"
	"sync"
)

// maxOpen bounds the files that a Source keeps open when nobody reads them.
const maxOpen = 128

// errClosed is what reading from a closed Source gives.
var errClosed = errors.New("source is closed")

// openFiles keeps the files that were read last open, by the number of their Entry. Safe for concurrent use.
type openFiles struct {
	mu      sync.Mutex
	byEntry map[int]*openFile
	recent  *list.List // of *openFile, the last used first; those in byEntry
	closed  bool
}

// openFile is one of them. Whoever acquired it releases it once.
type openFile struct {
	*os.File
	entry int
	place *list.Element // nil once it is to be closed by its last reader
	refs  int           // readers
}

func newOpenFiles() *openFiles {
	return &openFiles{byEntry: make(map[int]*openFile), recent: list.New()}
}

// acquire returns the Entry's file, by way of open if it isn't there; fresh tells that it came from open.
func (o *openFiles) acquire(entry int, open func() (*os.File, error)) (f *openFile, fresh bool, err error) {
	if f, err := o.find(entry); f != nil || err != nil {
		return f, false, err
	}
	file, err := open()
	if err != nil {
		return nil, false, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		file.Close()
		return nil, false, errClosed
	}
	f = &openFile{File: file, entry: entry, refs: 1}
	if _, other := o.byEntry[entry]; other {
		return f, true, nil // somebody was faster: this one serves one reader
	}
	f.place = o.recent.PushFront(f)
	o.byEntry[entry] = f
	for len(o.byEntry) > maxOpen {
		o.forget(o.recent.Back().Value.(*openFile))
	}
	return f, true, nil
}

func (o *openFiles) find(entry int) (*openFile, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errClosed
	}
	f := o.byEntry[entry]
	if f != nil {
		f.refs++
		o.recent.MoveToFront(f.place)
	}
	return f, nil
}

// release ends a reader's use. A bad file isn't kept.
func (o *openFiles) release(f *openFile, bad bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.refs--
	if f.place == nil {
		if f.refs == 0 {
			f.Close()
		}
		return
	}
	if bad {
		o.forget(f)
	}
}

// forget takes a file out, and closes it unless somebody reads it. Called with mu held.
func (o *openFiles) forget(f *openFile) {
	o.recent.Remove(f.place)
	f.place = nil
	delete(o.byEntry, f.entry)
	if f.refs == 0 {
		f.Close()
	}
}

// close closes all files, those being read when their readers are done, and opens no more.
func (o *openFiles) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for o.recent.Len() > 0 {
		o.forget(o.recent.Back().Value.(*openFile))
	}
}
