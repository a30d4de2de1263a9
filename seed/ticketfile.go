package seed

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxTicketFile is how much of a ticket file is looked at, in bytes.
const maxTicketFile = 8 << 10

// SaveTicketFile writes path (0600, atomically): the ticket alone on its first line, so that get reads it as @FILE, then what
// else a restarted seed needs to be the same swarm:
//
//	p2pcp1...
//	port 7700
//
// An existing path that is no regular file is refused and left alone.
func SaveTicketFile(path string, t Ticket, port uint16) error {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%w %q is not a regular file; name another", ErrTicketFile, path)
	}
	text := fmt.Sprintf("%s\nport %d\n", t, port)
	if err := writeAtomic(path, func(f io.Writer) error {
		_, err := io.WriteString(f, text)
		return err
	}); err != nil {
		return fmt.Errorf("write %w: %w", ErrTicketFile, err)
	}
	return nil
}

// LoadTicketFile reads what SaveTicketFile wrote. port is 0 if the file names none. Lines it doesn't know are ignored. Errors: one
// that is fs.ErrNotExist if there is no such file, ErrTicket if its first line is no ticket, ErrTicketFile otherwise. A file that
// others own or may write to is refused: who knows the content could have put a key of his own there.
func LoadTicketFile(path string) (t Ticket, port uint16, err error) {
	b, err := readOwn(path, maxTicketFile)
	if err != nil {
		return Ticket{}, 0, fmt.Errorf("read %w: %w", ErrTicketFile, err)
	}
	t, port, err = parseTicketFile(b)
	if err != nil {
		return Ticket{}, 0, fmt.Errorf("%q: %w", path, err)
	}
	return t, port, nil
}

func parseTicketFile(b []byte) (Ticket, uint16, error) {
	first, rest, _ := strings.Cut(string(b), "\n")
	t, err := ParseTicket(first)
	if err != nil {
		return Ticket{}, 0, err
	}
	for line := range strings.Lines(rest) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "port ")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return Ticket{}, 0, fmt.Errorf("%w has a bad port line", ErrTicketFile)
		}
		return t, uint16(n), nil
	}
	return t, 0, nil
}

// readSmall reads a whole file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readUpTo(f, limit)
}

// readOwn is readSmall of a regular file that only this user can write to. It never waits for a pipe.
func readOwn(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return nil, err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	case int(st.Uid) != os.Geteuid():
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("another user owns it")}
	case st.Mode&0o022 != 0:
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("others can write to it")}
	}
	return readUpTo(f, limit)
}

// readUpTo reads all of a file.
func readUpTo(f *os.File, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: errors.New("file is too long")}
	}
	return b, nil
}

// tempPattern names what writeAtomic leaves behind if it is killed.
const tempPattern = ".p2pcp-tmp-*"

// writeAtomic replaces path by what fill writes: all of it, 0600 and on the disk, or nothing at all.
func writeAtomic(path string, fill func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), tempPattern)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
