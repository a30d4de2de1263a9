package blocks

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
)

// Kind is what an Entry is.
type Kind uint8

// Kinds of Entry.
const (
	File Kind = 1 + iota
	Dir
	Symlink
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case File:
		return "file"
	case Dir:
		return "directory"
	case Symlink:
		return "symlink"
	}
	return "kind " + strconv.Itoa(int(k))
}

// Entry is one path of what is sent (PROTOCOL 1.2). Fields that its kind doesn't have are ignored.
type Entry struct {
	Kind    Kind
	Path    string // relative, slash-separated; "" is the target itself
	Mode    uint16 // permission bits
	ModTime int64  // ns since 1970
	Size    uint64 // files
	Root    Root   // files
	Zeros   []Span // files longer than a block: runs of zero Blocks, counted in this file's blocks
	Link    string // symlinks
}

// Manifest is the sorted Entries under a name. What ParseManifest returns is not changed any more, and then safe for
// concurrent use.
type Manifest struct {
	Name    string
	Entries []Entry
}

// ErrManifest marks a Manifest that must not be followed: malformed, unsafe or contradicting its Header (exit code 9).
var ErrManifest = errors.New("manifest refused")

const (
	manifestMagic = "p2pcpM1\n"

	maxMode       = 0o777
	maxZeroRanges = 1 << 20 // in one Entry

	// minEntrySize is what the shortest Entry takes (a directory with an empty path), in bytes. A count of Entries
	// is believed only if that many fit into what is left.
	minEntrySize = 1 + 1 + 2 + 8
)

// Append appends the wire form of a Manifest that has passed Check:
//
//	magic    8 bytes, "p2pcpM1\n"
//	name     uvarint length, bytes
//	entries  uvarint count, then each:
//	         kind (1), path (uvarint length, bytes), mode (2), mtime (8), then
//	         a file: size (uvarint), Root (32), zero ranges (uvarint count, then
//	                 pairs of uvarint: gap from the previous end, length - 1)
//	         a symlink: target (uvarint length, bytes)
func (m *Manifest) Append(b []byte) []byte {
	b = append(b, manifestMagic...)
	b = appendText(b, m.Name)
	b = binary.AppendUvarint(b, uint64(len(m.Entries)))
	for i := range m.Entries {
		b = m.Entries[i].append(b)
	}
	return b
}

func (e *Entry) append(b []byte) []byte {
	b = append(b, byte(e.Kind))
	b = appendText(b, e.Path)
	b = binary.BigEndian.AppendUint16(b, e.Mode)
	b = binary.BigEndian.AppendUint64(b, uint64(e.ModTime))
	switch e.Kind {
	case File:
		b = binary.AppendUvarint(b, e.Size)
		b = append(b, e.Root[:]...)
		b = binary.AppendUvarint(b, uint64(len(e.Zeros)))
		end := uint32(0)
		for _, z := range e.Zeros {
			b = binary.AppendUvarint(b, uint64(z.First-end))
			b = binary.AppendUvarint(b, uint64(z.Count-1))
			end = z.First + z.Count
		}
	case Symlink:
		b = appendText(b, e.Link)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// ParseManifest reads and checks all of PROTOCOL 1.2 and 1.3 that needs no Layout: form, rules and the Header's size, flag,
// number of Entries and bytes. Whether b has the Header's Root is its Tree's business. Errors wrap ErrManifest.
func ParseManifest(h Header, b []byte) (*Manifest, error) {
	if uint64(len(b)) != h.ManifestSize {
		return nil, refuseManifest("%d bytes, the header says %d", len(b), h.ManifestSize)
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, err
	}
	if uint64(len(m.Entries)) != uint64(h.Entries) {
		return nil, refuseManifest("%d entries, the header says %d", len(m.Entries), h.Entries)
	}
	if err := m.Check(h.BlockSize, h.Dir); err != nil {
		return nil, err
	}
	if n := m.Bytes(); n != h.Bytes {
		return nil, refuseManifest("%d bytes of content, the header says %d", n, h.Bytes)
	}
	return m, nil
}

// Bytes is the sum of the sizes of all file Entries: the Header's Bytes. It can't overflow once Check has passed.
func (m *Manifest) Bytes() uint64 {
	sum := uint64(0)
	for i := range m.Entries {
		if e := &m.Entries[i]; e.Kind == File {
			sum += e.Size
		}
	}
	return sum
}

// Sort puts Entries into manifest order.
func (m *Manifest) Sort() {
	slices.SortFunc(m.Entries, func(a, b Entry) int { return ComparePaths(a.Path, b.Path) })
}

// ComparePaths is the manifest order: bytewise with '/' below every other byte, so that a directory comes before its
// content and its content is contiguous. It returns -1, 0 or 1.
func ComparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		if a[i] == '/' {
			return -1
		}
		if b[i] == '/' {
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}
