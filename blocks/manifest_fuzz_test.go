package blocks

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzParseManifest(f *testing.F) {
	for _, b := range readVectorFile(f, "manifest.txt") {
		f.Add(b, uint8(0))
	}
	f.Add(mixedManifest().Append(nil), uint8(0))
	f.Add((&Manifest{Name: "f", Entries: []Entry{{Kind: File, Size: 3, Root: Root{1}}}}).Append(nil), uint8(2))
	f.Add(fileManifest([]byte{0x80, 0x80, 0x08}, []byte{2, 0, 0, 1, 5}), uint8(0))
	f.Add(fileManifest([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f}, []byte{0}), uint8(8))
	f.Add([]byte(manifestMagic), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		blockSize := uint32(MinBlockSize) << (size % 9)
		// The Header that fits best, so that the rules behind it are reached.
		h := Header{BlockSize: blockSize, ManifestSize: uint64(len(b)), Entries: 1}
		if m, err := decodeManifest(b); err == nil {
			h = headerOf(m, blockSize, b)
		}
		m, err := ParseManifest(h, b)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("not marked: %v", err)
			}
			return
		}
		if got := m.Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("%x became %x", b, got)
		}
		l, err := NewLayout(m, blockSize, h.ManifestBlocks())
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("not marked: %v", err)
			}
			return
		}
		if l.Blocks() < 1<<12 {
			checkCoverage(t, m, l, blockSize)
		}
	})
}
