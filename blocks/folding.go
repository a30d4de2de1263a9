package blocks

import (
	"errors"
	"hash/maphash"
	"io/fs"
	"math/bits"
	"os"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxProbes bounds the pairs of names that a file system is asked about. One that folds case shows it with the first; a few more
// because some fold only ASCII.
const maxProbes = 64

// checkFolding refuses Entries that would be one file here: a file system that folds case gives "a" what was written to "A", one that
// composes characters takes e and an accent for é.
// Errors wrap ErrManifest.
func (s *Store) checkFolding() error {
	entries := s.content.Manifest().Entries
	for _, pair := range foldedPairs(entries, maxProbes) {
		a, b := entries[pair[0]].Path, entries[pair[1]].Path
		same, err := foldsTogether(s.lock.dir, path.Base(a), path.Base(b))
		if err != nil {
			return err
		}
		if same {
			return refuse(b, "this file system takes it for %s", strconv.Quote(a))
		}
	}
	return nil
}

// foldsTogether tells whether dir's file system takes two names for one.
func foldsTogether(dir *os.Root, a, b string) (same bool, err error) {
	at := "names-" + randomHex()
	if err := dir.Mkdir(at, 0o700); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, dir.Remove(at)) }()
	for _, name := range []string{a, b} {
		name = path.Join(at, name)
		f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		f.Close()
		defer dir.Remove(name)
	}
	return false, nil
}

// foldedPairs finds Entries of one directory whose names are equal after composing (NFC) and simple case folding: at most limit pairs. A
// table as in originals, since a map of all names would take more memory than the Entries.
func foldedPairs(entries []Entry, limit int) (pairs [][2]int) {
	size := 1 << bits.Len(uint(len(entries)+len(entries)/3))
	table := make([]int32, size) // number + 1; 0 is free
	seed := maphash.MakeSeed()
	var key []byte
	for i := range entries {
		dir, name := path.Split(entries[i].Path)
		name = norm.NFC.String(name) // name itself where it is composed
		key = appendFolded(append(key[:0], dir...), name)
		at := int(maphash.Bytes(seed, key)) & (size - 1)
		for ; table[at] != 0; at = (at + 1) & (size - 1) {
			otherDir, other := path.Split(entries[table[at]-1].Path)
			if otherDir == dir && strings.EqualFold(norm.NFC.String(other), name) {
				break
			}
		}
		if table[at] == 0 {
			table[at] = int32(i + 1)
			continue
		}
		pairs = append(pairs, [2]int{int(table[at] - 1), i})
		if len(pairs) == limit {
			break
		}
	}
	return pairs
}

// appendFolded appends name with each character replaced by the first of those that fold to the same one.
func appendFolded(b []byte, name string) []byte {
	for _, r := range name {
		first := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			first = min(first, f)
		}
		b = utf8.AppendRune(b, first)
	}
	return b
}
