package seed

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"p2pcp/blocks"
)

// The file of Roots: rootsMagic, then records in the order of their stamps:
//
//	| size | field |
//	|---|---|
//	| 40 | stamp: device, inode, size, mtime, ctime |
//	| 32 | Root |
//	| 4 | day of last use, days since 1970 |
//	| 8 | first bytes of BLAKE3 of all before |
//
// A record that doesn't match its checksum is absent; one in the wrong place is not found.
const (
	rootsMagic  = "p2pcpC1\n"
	rootSumSize = 8
	recordSize  = stampSize + len(blocks.Root{}) + 4 + rootSumSize
	maxRecords  = (maxRootsFile - len(rootsMagic)) / recordSize
	fileKeySize = 16 // bytes of a stamp that name the file: device, inode
)

// record is one record's bytes.
type record []byte

// newRecord makes the record for a stamp's bytes.
func newRecord(key []byte, r blocks.Root, day uint32) record {
	b := append(make([]byte, 0, recordSize), key...)
	b = append(b, r[:]...)
	b = binary.BigEndian.AppendUint32(b, day)
	sum := blocks.Sum(b)
	return append(b, sum[:rootSumSize]...)
}

func (r record) key() []byte { return r[:stampSize] }

func (r record) root() blocks.Root { return blocks.Root(r[stampSize:]) }

func (r record) day() uint32 { return binary.BigEndian.Uint32(r[stampSize+len(blocks.Root{}):]) }

func (r record) valid() bool {
	body := r[:recordSize-rootSumSize]
	sum := blocks.Sum(body)
	return bytes.Equal(sum[:rootSumSize], r[len(body):])
}

// rootFile is the file of Roots in memory: what was on the disk, and what is new. Safe for concurrent use but for save.
type rootFile struct {
	path string
	max  int // records

	load sync.Once
	// Set by load, then read only.
	old  []byte          // whole records
	used []atomic.Uint32 // per old record: the day if it was used, 0 if not

	mu    sync.Mutex
	fresh []record
}

func newRootFile(path string) *rootFile { return &rootFile{path: path, max: maxRecords} }

// read loads the file when it is first asked for: who seeds one large file never needs it.
func (f *rootFile) read() {
	f.load.Do(func() {
		b, err := readSmall(f.path, maxRootsFile)
		if err != nil {
			return
		}
		f.use(b)
	})
}

// use takes the bytes of a file; garbage counts as an empty one.
func (f *rootFile) use(b []byte) {
	b, ok := bytes.CutPrefix(b, []byte(rootsMagic))
	if !ok {
		return
	}
	f.old = b[:len(b)/recordSize*recordSize]
	f.used = make([]atomic.Uint32, len(b)/recordSize)
}

func (f *rootFile) record(i int) record { return f.old[i*recordSize:][:recordSize] }

// get returns the Root for a stamp and notes its use today.
func (f *rootFile) get(s stamp, today uint32) (blocks.Root, bool) {
	f.read()
	key := s.append(make([]byte, 0, stampSize))
	i := sort.Search(len(f.used), func(i int) bool { return bytes.Compare(f.record(i).key(), key) >= 0 })
	if i == len(f.used) || !bytes.Equal(f.record(i).key(), key) || !f.record(i).valid() {
		return blocks.Root{}, false
	}
	f.used[i].Store(today)
	return f.record(i).root(), true
}

// put adds a Root that get didn't find.
func (f *rootFile) put(s stamp, r blocks.Root, today uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.fresh) < f.max {
		f.fresh = append(f.fresh, newRecord(s.append(nil), r, today))
	}
}

// save writes the file if it says anything new. A file that was seen under several stamps keeps its new ones only; records over
// the limit go by their last use.
func (f *rootFile) save() error {
	if len(f.fresh) == 0 && !f.usedAnew() {
		return nil
	}
	f.read()
	seen := make(map[[fileKeySize]byte]bool, len(f.fresh))
	for _, r := range f.fresh {
		seen[[fileKeySize]byte(r)] = true
	}
	all := f.fresh
	for i := range f.used {
		r := f.record(i)
		if seen[[fileKeySize]byte(r)] || !r.valid() {
			continue
		}
		if today := f.used[i].Load(); today > r.day() {
			r = newRecord(r.key(), r.root(), today)
		}
		all = append(all, r)
	}
	if len(all) > f.max {
		slices.SortFunc(all, func(a, b record) int { return cmp.Compare(b.day(), a.day()) })
		all = all[:f.max]
	}
	slices.SortFunc(all, func(a, b record) int { return bytes.Compare(a.key(), b.key()) })
	all = slices.CompactFunc(all, func(a, b record) bool { return bytes.Equal(a.key(), b.key()) }) // hard links
	return writeAtomic(f.path, func(w io.Writer) error {
		b := make([]byte, 0, len(rootsMagic)+len(all)*recordSize)
		b = append(b, rootsMagic...)
		for _, r := range all {
			b = append(b, r...)
		}
		_, err := w.Write(b)
		return err
	})
}

// usedAnew tells whether a record was used on a later day than it says.
func (f *rootFile) usedAnew() bool {
	for i := range f.used {
		if f.used[i].Load() > f.record(i).day() {
			return true
		}
	}
	return false
}
