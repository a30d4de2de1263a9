package seed

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// KeyFileSize is the length of a key file's secret, in bytes.
const KeyFileSize = 32

// A key file is one line: keyFilePrefix and the base32 of the secret (PROTOCOL 2).
const (
	keyFilePrefix = "p2pcp-key1-"
	maxKeyFile    = 256 // bytes looked at; a key file has 64
)

// NewKeyFile draws a secret and writes it to path (0600). An existing file is never overwritten: that error is fs.ErrExist.
func NewKeyFile(path string) error {
	secret := make([]byte, KeyFileSize)
	rand.Read(secret) // never fails: it ends the program instead
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create %w: %w", ErrKeyFile, err)
	}
	_, err = io.WriteString(f, formatKey(secret)+"\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("write %w: %w", ErrKeyFile, err)
	}
	return nil
}

// LoadKeyFile reads a key file's secret: KeyFileSize bytes. A file that its group or others may read, write or execute is refused.
// Errors wrap ErrKeyFile and never repeat the content.
func LoadKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %w: %w", ErrKeyFile, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat %w: %w", ErrKeyFile, err)
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%w %q is open to others (mode %04o); do: chmod 600 %q", ErrKeyFile, path, mode, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %w: %w", ErrKeyFile, err)
	}
	secret, err := parseKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrKeyFile, path, err)
	}
	return secret, nil
}

func formatKey(secret []byte) string { return keyFilePrefix + word32().EncodeToString(secret) }

// parseKey reads the line; white space around it is accepted.
func parseKey(b []byte) ([]byte, error) {
	line := strings.TrimSpace(string(b))
	body, ok := strings.CutPrefix(line, keyFilePrefix)
	if len(b) > maxKeyFile || !ok {
		return nil, errors.New("this is not a p2pcp key; p2pcp keygen makes one")
	}
	secret, err := word32().DecodeString(body)
	if err != nil || len(secret) != KeyFileSize || formatKey(secret) != line {
		return nil, errors.New("the key is cut short or damaged")
	}
	return secret, nil
}
