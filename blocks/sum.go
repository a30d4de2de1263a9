package blocks

import (
	"context"
	"errors"
	"io"

	"github.com/zeebo/blake3"
)

// hashStep is how much of a file is read and hashed at a time, in bytes: it stays in a core's cache between the two, and a
// cancelled context is noticed at once.
const hashStep = 256 << 10

// hashReader returns the Root of all that r gives, and its length in bytes. It reads by buf, and calls progress with the length of
// each step. It ends with ctx's error, or r's.
func hashReader(ctx context.Context, r io.Reader, buf []byte, progress func(n int)) (root Root, size uint64, err error) {
	h := blake3.New()
	for {
		if err := ctx.Err(); err != nil {
			return Root{}, 0, err
		}
		n, err := readOrZeros(r, buf)
		_, _ = h.Write(buf[:n]) // never fails
		size += uint64(n)
		progress(n)
		if errors.Is(err, io.EOF) {
			h.Sum(root[:0])
			return root, size, nil
		}
		if err != nil {
			return Root{}, 0, err
		}
	}
}

// readOrZeros is r.Read, or a buffer of zeros where r knows of them.
func readOrZeros(r io.Reader, buf []byte) (int, error) {
	if s, ok := r.(*FileReader); ok && s.skipZeros(len(buf)) {
		clear(buf)
		return len(buf), nil
	}
	return r.Read(buf)
}
