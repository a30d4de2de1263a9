package blocks

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// maxOpenFiles bounds the large files that a Store keeps open: as many as are in work at a time in any swarm seen, and far
// from the usual limit of 1024 a process.
const maxOpenFiles = 128

// shelf is where the files of a Manifest lie: below a directory, or one file in it.
type shelf struct {
	root *os.Root
	only string // the one file's name in root; "" if the Manifest's paths hold there
}

// name is an Entry's name below the shelf's root.
func (p shelf) name(path string) string {
	switch {
	case p.only != "":
		return p.only
	case path == "":
		return "."
	}
	return path
}

// openFiles keeps the files that were used last open: large ones, of which many Blocks are asked, and a single one, whose name
// changes under us. Others are written once and read seldom. Safe for concurrent use.
type openFiles struct {
	root *os.Root
	flag int

	mu sync.Mutex
	// Guarded by mu.
	byName map[string]*openFile
	recent *list.List // of *openFile, the last used first
	fresh  int64      // bytes written since the last flush
	closed bool

	flushing bool
	again    time.Time // not before
}

// openFile is a file in openFiles. Its fields but f are guarded by openFiles.mu.
type openFile struct {
	name  string
	f     *os.File
	uses  int           // of use, now
	at    *list.Element // nil once it was evicted: the last use closes it
	fresh bool          // written to since the last flush
}

func newOpenFiles(root *os.Root, flag int) *openFiles {
	return &openFiles{root: root, flag: flag, byName: make(map[string]*openFile), recent: list.New()}
}

// use calls do with a file that stays open meanwhile.
func (o *openFiles) use(name string, do func(f *os.File) error) error {
	file, err := o.take(name)
	if err != nil {
		return err
	}
	defer o.put(file)
	return do(file.f)
}

// flushEvery is how many bytes are written before the kernel is asked to bring them to the disk. By itself it waits until a tenth of
// the machine's memory is full of them and then holds up every writer: measured on 8 GiB, single GiB took twice the time of
// the first. So many at a time are still sorted by their place, which matters to disks that turn.
const flushEvery = 64 << 20

// flushShare bounds the time spent so: asking may block while the disk's queue is full, and is left to the kernel for so many times
// as long afterwards. A disk slower than the network only gains by it what the kernel would do anyway.
const flushShare = 2

// writeAt writes to a file.
func (o *openFiles) writeAt(name string, p []byte, off int64) error {
	file, err := o.take(name)
	if err != nil {
		return err
	}
	defer o.put(file)
	if _, err := file.f.WriteAt(p, off); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	file.fresh = true
	o.fresh += int64(len(p))
	return nil
}

// flush has the kernel begin to bring to the disk what was written, if it is much and nobody does already.
func (o *openFiles) flush() {
	begin := time.Now()
	due := o.due(begin)
	if len(due) == 0 {
		return
	}
	for _, file := range due {
		_ = beginWriteback(file.f) // else the kernel chooses the time
		o.put(file)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	end := time.Now()
	o.flushing, o.again = false, end.Add(flushShare*end.Sub(begin))
}

// due lends the files that were written to, and begins the flush, if flushEvery have gathered and it may begin.
func (o *openFiles) due(now time.Time) (due []*openFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fresh < flushEvery || o.flushing || now.Before(o.again) {
		return nil
	}
	for at := o.recent.Front(); at != nil; at = at.Next() {
		if file := at.Value.(*openFile); file.fresh {
			file.fresh = false
			file.uses++
			due = append(due, file)
		}
	}
	o.fresh, o.flushing = 0, len(due) > 0
	return due
}

// take opens a file, or finds it open.
func (o *openFiles) take(name string) (*openFile, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, fs.ErrClosed
	}
	if file := o.byName[name]; file != nil {
		file.uses++
		o.recent.MoveToFront(file.at)
		return file, nil
	}
	f, err := openOwn(o.root, name, o.flag)
	if err != nil {
		return nil, err
	}
	file := &openFile{name: name, f: f, uses: 1}
	file.at = o.recent.PushFront(file)
	o.byName[name] = file
	if o.recent.Len() > maxOpenFiles {
		o.evict(o.recent.Back())
	}
	return file, nil
}

// put ends a use.
func (o *openFiles) put(file *openFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	file.uses--
	if file.uses == 0 && file.at == nil {
		file.f.Close()
	}
}

// evict forgets a file. The caller holds mu.
func (o *openFiles) evict(at *list.Element) {
	file := o.recent.Remove(at).(*openFile)
	delete(o.byName, file.name)
	file.at = nil
	if file.uses == 0 {
		file.f.Close()
	}
}

// close ends all: files in use are closed after their last use.
func (o *openFiles) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for o.recent.Len() > 0 {
		o.evict(o.recent.Back())
	}
}

// openOwn opens a regular file. One whose mode forbids it to us is opened all the same if we may write: a Place that was cut
// short has set final modes in the partial directory.
func openOwn(root *os.Root, name string, flag int) (*os.File, error) {
	f, _, err := openRegular(root, name, flag)
	if !errors.Is(err, fs.ErrPermission) || flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return f, err
	}
	if err := root.Chmod(name, 0o600); err != nil {
		return nil, err
	}
	f, _, err = openRegular(root, name, flag)
	return f, err
}

// createNew makes a file that wasn't there; what has its name is removed.
func createNew(root *os.Root, name string) (*os.File, error) {
	const flag = os.O_RDWR | os.O_CREATE | os.O_EXCL
	f, err := root.OpenFile(name, flag, 0o600)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	if err := removeTree(context.Background(), root, name); err != nil {
		return nil, fmt.Errorf("make room for %q: %w", name, err)
	}
	return root.OpenFile(name, flag, 0o600)
}
