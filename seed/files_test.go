package seed

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTicketFileComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ticket")
	want := sampleTicket()
	for _, port := range []uint16{7700, 65535, 1} { // the second and third replace
		must(t, SaveTicketFile(path, want, port))
		got, p, err := LoadTicketFile(path)
		if err != nil || p != port || !reflect.DeepEqual(got, want) {
			t.Errorf("port %d: %+v, %d, %v", port, got, p, err)
		}
	}
	b, err := os.ReadFile(path)
	must(t, err)
	if first, _, _ := strings.Cut(string(b), "\n"); first != want.String() {
		t.Errorf("first line %q", first)
	}
	st, err := os.Stat(path)
	must(t, err)
	if st.Mode() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSaveTicketFileLeavesOthersAlone(t *testing.T) {
	dir := t.TempDir()
	target := put(t, filepath.Join(dir, "target"), []byte("x"))
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(target, link))
	for _, path := range []string{dir, link, os.DevNull} {
		if err := SaveTicketFile(path, sampleTicket(), 1); !errors.Is(err, ErrTicketFile) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := SaveTicketFile(filepath.Join(dir, "no", "such"), sampleTicket(), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
	if b, err := os.ReadFile(link); err != nil || string(b) != "x" {
		t.Errorf("target now %q, %v", b, err)
	}
}

func TestLoadTicketFileErrors(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := LoadTicketFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	word := sampleTicket().String()
	for name, c := range map[string]struct {
		text string
		want error
		port uint16
	}{
		"only the ticket": {word, nil, 0},
		"newer lines":     {word + "\nfuture 1\nport 99\n", nil, 99},
		"bad port":        {word + "\nport 65536\n", ErrTicketFile, 0},
		"no ticket":       {"port 1\n", ErrTicket, 0},
		"empty":           {"", ErrTicket, 0},
		"huge":            {word + strings.Repeat("\n", maxTicketFile), ErrTicketFile, 0},
	} {
		path := put(t, filepath.Join(dir, name), []byte(c.text))
		_, port, err := LoadTicketFile(path)
		if !errors.Is(err, c.want) || port != c.port {
			t.Errorf("%s: port %d, %v", name, port, err)
		}
		if err != nil && strings.Contains(err.Error(), word) {
			t.Errorf("%s: the error shows the ticket", name)
		}
	}
}

func TestKeyFileComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	must(t, NewKeyFile(path))
	secret, err := LoadKeyFile(path)
	if err != nil || len(secret) != KeyFileSize {
		t.Fatalf("%x, %v", secret, err)
	}
	if err := NewKeyFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	again, err := LoadKeyFile(path)
	if err != nil || !bytes.Equal(again, secret) {
		t.Errorf("changed to %x, %v", again, err)
	}
	other := filepath.Join(t.TempDir(), "key")
	must(t, NewKeyFile(other))
	if o, err := LoadKeyFile(other); err != nil || bytes.Equal(o, secret) {
		t.Errorf("the second key is %x, %v", o, err)
	}
}

// TestTicketFileOfOthersIsRefused: a seed would take its key and let in who wrote it.
func TestTicketFileOfOthersIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		mode os.FileMode
		uid  int
		want string // "": it is taken
	}{
		"ours":              {0o600, os.Geteuid(), ""},
		"shown to others":   {0o644, os.Geteuid(), ""},
		"writable by group": {0o620, os.Geteuid(), "others can write"},
		"writable by all":   {0o602, os.Geteuid(), "others can write"},
		"another user's":    {0o600, 12345, "another user"},
	} {
		path := filepath.Join(t.TempDir(), "t")
		must(t, SaveTicketFile(path, sampleTicket(), 7))
		must(t, os.Chmod(path, c.mode))
		if c.uid != os.Geteuid() {
			if os.Geteuid() != 0 {
				continue // giving a file away needs root
			}
			must(t, os.Chown(path, c.uid, c.uid))
		}
		_, _, err := LoadTicketFile(path)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrTicketFile) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	pipe := filepath.Join(t.TempDir(), "t")
	must(t, unix.Mkfifo(pipe, 0o600))
	if _, _, err := LoadTicketFile(pipe); !errors.Is(err, ErrTicketFile) {
		t.Errorf("a pipe: %v", err)
	}
}

func TestKeyFileOpenToOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	must(t, NewKeyFile(path))
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		must(t, os.Chmod(path, mode))
		if _, err := LoadKeyFile(path); !errors.Is(err, ErrKeyFile) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%v: %v", mode, err)
		}
	}
	must(t, os.Chmod(path, 0o400))
	if _, err := LoadKeyFile(path); err != nil {
		t.Error(err)
	}
}

func TestMalformedKeyFiles(t *testing.T) {
	good := formatKey(make([]byte, KeyFileSize))
	for name, text := range map[string]string{
		"empty":        "",
		"prefix":       keyFilePrefix,
		"short":        good[:len(good)-1],
		"long":         good + "a",
		"much longer":  good + strings.Repeat(" ", maxKeyFile),
		"upper":        strings.ToUpper(good),
		"spare bits":   good[:len(good)-1] + "b",
		"two lines":    good + "\n" + good,
		"other prefix": "p2pcp-key2-" + good[len(keyFilePrefix):],
	} {
		path := put(t, filepath.Join(t.TempDir(), "key"), []byte(text))
		must(t, os.Chmod(path, 0o600))
		_, err := LoadKeyFile(path)
		if !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadKeyFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if secret, err := parseKey([]byte(good + "\n")); err != nil || !bytes.Equal(secret, make([]byte, KeyFileSize)) {
		t.Errorf("the good one: %x, %v", secret, err)
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(formatKey(noise(1, KeyFileSize)) + "\n"))
	f.Add([]byte(keyFilePrefix))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		secret, err := parseKey(b)
		if err == nil && formatKey(secret) != strings.TrimSpace(string(b)) {
			t.Fatalf("%q became %x", b, secret)
		}
	})
}

func FuzzTicketFile(f *testing.F) {
	f.Add([]byte(sampleTicket().String() + "\nport 7700\n"))
	f.Add([]byte(sampleTicket().String()))
	f.Add([]byte("\n\nport 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, port, err := parseTicketFile(b)
		if err != nil {
			if !errors.Is(err, ErrTicket) && !errors.Is(err, ErrTicketFile) {
				t.Fatal(err)
			}
			return
		}
		path := filepath.Join(t.TempDir(), "t")
		if err := SaveTicketFile(path, got, port); err != nil {
			t.Fatal(err)
		}
		again, p, err := LoadTicketFile(path)
		if err != nil || p != port || !reflect.DeepEqual(again, got) {
			t.Fatalf("%+v %d became %+v %d, %v", got, port, again, p, err)
		}
	})
}
