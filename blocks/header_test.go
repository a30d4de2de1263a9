package blocks

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// goodHeader is a Header inside every limit.
func goodHeader() Header {
	return Header{
		BlockSize:    64 << 10,
		Dir:          true,
		Entries:      3,
		Blocks:       7,
		ManifestSize: 64<<10 + 1,
		Bytes:        1 << 18,
		ManifestRoot: Root{1, 2, 3},
	}
}

func TestHeaderRoundTripsAtItsLimits(t *testing.T) {
	limits := map[string]func(h *Header){
		"as it is":         func(*Header) {},
		"a file":           func(h *Header) { h.Dir = false },
		"smallest block":   func(h *Header) { h.BlockSize = MinBlockSize },
		"largest block":    func(h *Header) { h.BlockSize = MaxBlockSize },
		"one entry":        func(h *Header) { h.Entries = 1 },
		"most entries":     func(h *Header) { h.Entries = MaxEntries },
		"manifest only":    func(h *Header) { h.Blocks = h.ManifestBlocks() },
		"most blocks":      func(h *Header) { h.Blocks = MaxBlocks },
		"tiny manifest":    func(h *Header) { h.ManifestSize = 1 },
		"largest manifest": func(h *Header) { h.ManifestSize, h.Blocks = MaxManifest, MaxBlocks },
		"no bytes":         func(h *Header) { h.Bytes = 0 },
		"most bytes":       func(h *Header) { h.Bytes = MaxBytes },
	}
	for name, change := range limits {
		h := goodHeader()
		change(&h)
		b := h.Append(nil)
		if len(b) != HeaderSize {
			t.Errorf("%s: %d bytes", name, len(b))
		}
		got, err := ParseHeader(b)
		if err != nil || got != h {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, h)
		}
		if h.ID() != Sum(b) {
			t.Errorf("%s: ID is not the Root of the bytes", name)
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	fields := map[string]func(h *Header){
		"no block size":           func(h *Header) { h.BlockSize = 0 },
		"no power of two":         func(h *Header) { h.BlockSize = 3 << 15 },
		"small block":             func(h *Header) { h.BlockSize = MinBlockSize / 2 },
		"large block":             func(h *Header) { h.BlockSize = MaxBlockSize * 2 },
		"no entries":              func(h *Header) { h.Entries = 0 },
		"many entries":            func(h *Header) { h.Entries = MaxEntries + 1 },
		"no blocks":               func(h *Header) { h.Blocks = 0 },
		"many blocks":             func(h *Header) { h.Blocks = MaxBlocks + 1 },
		"no manifest":             func(h *Header) { h.ManifestSize = 0 },
		"large manifest":          func(h *Header) { h.ManifestSize, h.Blocks = MaxManifest+1, MaxBlocks },
		"overflowing manifest":    func(h *Header) { h.ManifestSize, h.Blocks = 1<<64-1, MaxBlocks },
		"many bytes":              func(h *Header) { h.Bytes = MaxBytes + 1 },
		"manifest outside blocks": func(h *Header) { h.Blocks = h.ManifestBlocks() - 1 },
	}
	raw := map[string]func(b []byte) []byte{
		"nothing":        func([]byte) []byte { return nil },
		"cut short":      func(b []byte) []byte { return b[:HeaderSize-1] },
		"too long":       func(b []byte) []byte { return append(b, 0) },
		"version 0":      func(b []byte) []byte { b[0] = 0; return b },
		"version 2":      func(b []byte) []byte { b[0] = 2; return b },
		"log 255":        func(b []byte) []byte { b[1] = 255; return b },
		"log 13":         func(b []byte) []byte { b[1] = 13; return b },
		"log 23":         func(b []byte) []byte { b[1] = 23; return b },
		"log 32+16":      func(b []byte) []byte { b[1] = 48; return b },
		"flag 1":         func(b []byte) []byte { b[3] |= 2; return b },
		"flag 15":        func(b []byte) []byte { b[2] |= 0x80; return b },
		"reserved first": func(b []byte) []byte { b[12] = 1; return b },
		"reserved last":  func(b []byte) []byte { b[15] = 1; return b },
	}
	for name, change := range fields {
		raw[name] = func([]byte) []byte {
			h := goodHeader()
			change(&h)
			return h.Append(nil)
		}
	}
	for name, change := range raw {
		h, err := ParseHeader(change(goodHeader().Append(nil)))
		if !errors.Is(err, ErrManifest) {
			t.Errorf("%s: got %+v, %v", name, h, err)
		}
	}
}

// Every single byte matters: what a changed byte yields is refused or another Header.
func TestHeaderBytesAreAllUsed(t *testing.T) {
	want := goodHeader().Append(nil)
	for i := range want {
		b := bytes.Clone(want)
		b[i] ^= 1
		if h, err := ParseHeader(b); err == nil && h == goodHeader() {
			t.Errorf("byte %d is not read", i)
		}
	}
}

func TestManifestLensAddUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		h := Header{BlockSize: 1 << (14 + rng.IntN(9))}
		whole, part := rng.Uint64N(5), rng.Uint64N(3)
		h.ManifestSize = whole*uint64(h.BlockSize) + part
		sum := uint64(0)
		for i := range Index(h.ManifestBlocks()) {
			n := h.ManifestLen(i)
			if n == 0 || n > h.BlockSize {
				t.Fatalf("%+v: block %d has %d bytes", h, i, n)
			}
			sum += uint64(n)
		}
		if sum != h.ManifestSize || h.ManifestLen(Index(h.ManifestBlocks())) != 0 || h.ManifestLen(1<<32-1) != 0 {
			t.Fatalf("%+v: %d blocks of %d bytes in all", h, h.ManifestBlocks(), sum)
		}
	}
	if n := (Header{}).ManifestBlocks(); n != 0 {
		t.Errorf("zero Header has %d manifest blocks", n)
	}
}

func TestChooseBlockSize(t *testing.T) {
	const K, M = 1 << 10, 1 << 20
	for _, c := range []struct {
		bytes uint64
		want  uint32
	}{
		{0, 64 * K},
		{1, 64 * K},
		{128 * M, 64 * K},
		{2896 * 64 * K, 64 * K},
		{2896*64*K + 1, 128 * K},
		{256 * M, 128 * K},
		{1024*M + 1, 512 * K},
		{2896*512*K + 1, 1 * M},
		{2048 * M, 1 * M},
		{2048*M + 1, 1 * M},
		{MaxBytes, 1 * M},
		{1<<64 - 1, 1 * M},
	} {
		if got := ChooseBlockSize(c.bytes); got != c.want {
			t.Errorf("%d bytes: %d, want %d", c.bytes, got, c.want)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, b := range readVectorFile(f, "header.txt") {
		f.Add(b)
	}
	good := goodHeader()
	f.Add(good.Append(nil))
	good.Dir = false
	good.BlockSize = MaxBlockSize
	f.Add(good.Append(nil))
	f.Add(make([]byte, HeaderSize))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("not marked: %v", err)
			}
			return
		}
		if got := h.Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("%x became %x", b, got)
		}
	})
}
