package blocks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

const (
	journalName  = "journal"
	journalMagic = "p2pcpJ1\n"
	journalHead  = int64(len(journalMagic) + HeaderSize)
)

// journal is the file of PROTOCOL 7: what an interrupted get has to say to the next one. Nothing in it is believed. Safe for
// concurrent use.
type journal struct {
	f       *os.File
	content *Content
	bitsAt  int64   // offset of the bitfield, bytes
	nodesAt []int64 // offset of each large file's nodes, bytes; one more for the end of all

	mu sync.Mutex
	// Guarded by mu.
	bits  []byte      // the bitfield section as it is on the disk
	saved []*Bitfield // per large file: the nodes known to be on the disk, by place in the file's dump; nil: none yet
}

// openJournal opens or makes the journal below dir. same tells whether it is one of this content; if not, it stays as it is
// until reset.
func openJournal(dir *os.Root, c *Content) (j *journal, same bool, err error) {
	f, err := openOwn(dir, journalName, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
		f, err = createNew(dir, journalName)
	}
	if err != nil {
		return nil, false, fmt.Errorf("open journal: %w", err)
	}
	h := c.Header()
	j = &journal{f: f, content: c, bits: make([]byte, (int(h.Blocks)+7)/8)}
	j.bitsAt = journalHead + int64(h.ManifestSize)
	at := j.bitsAt + int64(len(j.bits))
	larges := c.Layout().Larges()
	j.saved = make([]*Bitfield, len(larges))
	for k := range larges {
		j.nodesAt = append(j.nodesAt, at)
		at += c.Tree(uint32(k + 1)).DumpSize()
	}
	j.nodesAt = append(j.nodesAt, at)
	return j, isJournalOf(f, c), nil
}

// isJournalOf tells whether a file begins as the journal of c.
func isJournalOf(f *os.File, c *Content) bool {
	head := make([]byte, journalHead)
	return readFullAt(f, head, 0) == nil && bytes.Equal(head, c.Header().Append([]byte(journalMagic)))
}

// size is the journal's length in bytes.
func (j *journal) size() int64 { return j.nodesAt[len(j.nodesAt)-1] }

// reset writes a journal that claims nothing but the Manifest.
func (j *journal) reset() error {
	if err := j.f.Truncate(0); err != nil {
		return fmt.Errorf("reset journal: %w", err)
	}
	head := j.content.Header().Append([]byte(journalMagic))
	if _, err := j.f.WriteAt(head, 0); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if _, err := j.f.WriteAt(j.content.ManifestBytes(), journalHead); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := j.f.Truncate(j.size()); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// load reads what the journal claims: the Blocks of wanted, which stay set in the file until setBit, and the nodes, which are
// verified from the Roots. What is torn off reads as zeros.
func (j *journal) load(wanted *Bitfield) (*Bitfield, error) {
	if err := j.f.Truncate(j.size()); err != nil {
		return nil, fmt.Errorf("load journal: %w", err)
	}
	if _, err := j.f.ReadAt(j.bits, j.bitsAt); err != nil {
		return nil, fmt.Errorf("load journal: %w", err)
	}
	claims := NewBitfield(wanted.Len())
	for i, ok := wanted.Next(Index(j.content.Header().ManifestBlocks())); ok; i, ok = wanted.Next(i + 1) {
		if j.bits[i/8]&(0x80>>(i%8)) != 0 {
			claims.Set(i)
		}
	}
	for k, g := range j.content.Layout().Larges() {
		if !claims.AnyIn(Span{First: uint32(g.First), Count: g.Blocks}) {
			continue
		}
		dump := io.NewSectionReader(j.f, j.nodesAt[k], j.nodesAt[k+1]-j.nodesAt[k])
		if err := j.content.Tree(uint32(k + 1)).LoadNodes(dump); err != nil {
			return nil, fmt.Errorf("load journal: %w", err)
		}
	}
	return claims, nil
}

// add writes the nodes on the path of a Block that is on the disk, and then its bit.
func (j *journal) add(i Index) error {
	if k, block, ok := j.content.Layout().LargeOf(i); ok {
		if err := j.addNodes(k, block); err != nil {
			return err
		}
	}
	return j.setBit(i, true)
}

// addNodes writes those nodes of a Block's path that aren't on the disk yet.
func (j *journal) addNodes(k int, block uint32) error {
	t := j.content.Tree(uint32(k + 1))
	for _, r := range t.PathNodes(block) {
		off := t.NodeOffset(r.Level, r.First)
		if j.areSaved(k, off, r.Count) {
			continue
		}
		cvs, ok := t.Nodes(r.Level, r.First, r.Count)
		if !ok {
			continue
		}
		var raw [2 * cvSize]byte
		b := raw[:0]
		for _, cv := range cvs {
			b = append(b, cv[:]...)
		}
		if _, err := j.f.WriteAt(b, j.nodesAt[k]+off); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
		j.setSaved(k, off, r.Count)
	}
	return nil
}

// areSaved tells whether count nodes from the offset of a file's dump are on the disk.
func (j *journal) areSaved(k int, off int64, count uint32) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Span{First: uint32(off / cvSize), Count: count}
	return j.saved[k] != nil && j.saved[k].CountIn(s) == count
}

func (j *journal) setSaved(k int, off int64, count uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.saved[k] == nil {
		j.saved[k] = NewBitfield(uint32((j.nodesAt[k+1] - j.nodesAt[k]) / cvSize))
	}
	j.saved[k].SetSpan(Span{First: uint32(off / cvSize), Count: count})
}

// setBit writes a Block's bit if it isn't so already.
func (j *journal) setBit(i Index, to bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	was, mask := j.bits[i/8], byte(0x80>>(i%8))
	now := was &^ mask
	if to {
		now |= mask
	}
	if now == was {
		return nil
	}
	if _, err := j.f.WriteAt([]byte{now}, j.bitsAt+int64(i/8)); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	j.bits[i/8] = now
	return nil
}
