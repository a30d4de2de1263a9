package blocks

import (
	"context"
	"io"
	"os"
)

// FileReader reads a file from its beginning. BuildTree doesn't read what the system says is a hole in it: reading holes costs
// three times what hashing zeros does, and drives what else is in the page cache out of it. For one goroutine at a time, but for readAt.
type FileReader struct {
	ctx    context.Context
	f      *os.File
	at     int64 // the next byte
	data   int64 // no data from at up to here
	sparse bool  // asking for holes makes sense
}

// NewFileReader makes a FileReader whose reads end with ctx's error. It uses no file offset.
func NewFileReader(ctx context.Context, f *os.File) *FileReader {
	r := &FileReader{ctx: ctx, f: f}
	// Most files have no hole, and one that has lacks space. Only files of which that is true are asked for the places.
	if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
		r.sparse = allocated(fi) < uint64(fi.Size()) && tellsHoles(f)
	}
	return r
}

// Read reads on.
func (r *FileReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.f.ReadAt(p, r.at)
	if n > 0 && err == io.EOF {
		err = nil
	}
	r.at += int64(n)
	return n, err
}

// skipZeros goes on behind the next n bytes if they lie in a hole.
func (r *FileReader) skipZeros(n int) bool {
	if !r.sparse || r.ctx.Err() != nil {
		return false
	}
	if end := r.at + int64(n); r.data < end {
		r.data = max(nextData(r.f, r.at), r.at)
		if r.data < end {
			return false
		}
	}
	r.at += int64(n)
	return true
}

// pass goes on behind the next n bytes and tells whether they lie in a hole.
func (r *FileReader) pass(n int) (zeros bool) {
	if r.skipZeros(n) {
		return true
	}
	r.at += int64(n)
	return false
}

// readAt fills p or fails. Safe for concurrent use.
func (r *FileReader) readAt(p []byte, off int64) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return readFullAt(r.f, p, off)
}
