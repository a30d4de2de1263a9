package cmd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"p2pcp/blocks"

	"github.com/spf13/cobra"
)

func newVerifyCmd(a *app) *cobra.Command {
	var f observerFlags
	c := &cobra.Command{
		Use:   "verify TICKET|-|@FILE PATH",
		Short: "Compare what is on the disk with a ticket",
		Long: "verify hashes all of PATH, which is the content itself and not the directory\n" +
			"around it, and compares it with what the ticket names. It prints 'ok PATH HASH',\n" +
			"or a line 'differs', 'missing' or 'extra' for each path (exit 9). Modes and\n" +
			"times are not compared.",
		Example: "  p2pcp verify $T /scratch/model",
		Args:    wantArgs(2, 2, "a TICKET and a PATH"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if args[1] == "" {
				return usagef("", "PATH is empty")
			}
			o, err := a.observed(args[0], &f)
			if err != nil {
				return err
			}
			content, err := o.content(a.ctx)
			if err != nil {
				return err
			}
			return a.verify(content, args[1], f.again(args[0]))
		},
	}
	f.register(c)
	return c
}

// differenceMessage is one path that differs, in JSON.
type differenceMessage struct {
	Type string `json:"message_type"` // difference
	Kind string `json:"kind"`         // differs, missing, extra
	Path string `json:"path"`
}

// verifyMessage is the end in JSON.
type verifyMessage struct {
	Type    string  `json:"message_type"` // result
	OK      bool    `json:"ok"`
	Path    string  `json:"path"`
	Root    string  `json:"root"`
	Bytes   uint64  `json:"bytes"`
	Differs int     `json:"differs"`
	Missing int     `json:"missing"`
	Extra   int     `json:"extra"`
	Seconds float64 `json:"seconds"`
}

// verify compares path with the content and says what differs. get is the command that fetches it, to be told.
func (a *app) verify(c *blocks.Content, path, get string) error {
	begun := time.Now()
	target, err := verifyTarget(path)
	if err != nil {
		return err
	}
	var list []blocks.Difference
	inside := contentInside(c.Manifest(), target)
	if inside {
		list = []blocks.Difference{{Kind: blocks.Differs}}
	} else if list, err = a.differences(c, target); err != nil {
		return err
	}
	root := rootOf(c)
	m := verifyMessage{
		Type: "result", OK: len(list) == 0, Path: path, Root: root.String(), Bytes: c.Header().Bytes,
		Seconds: time.Since(begun).Seconds(),
	}
	for _, d := range list {
		switch d.Kind {
		case blocks.Missing:
			m.Missing++
		case blocks.Differs:
			m.Differs++
		default:
			m.Extra++
		}
		shown := filepath.Join(path, filepath.FromSlash(d.Path))
		if err := a.result(d.Kind.String()+" "+quoteName(shown), differenceMessage{"difference", d.Kind.String(), shown}); err != nil {
			return err
		}
	}
	line := ""
	if m.OK {
		line = "ok " + quoteName(path) + " " + root.Short()
	}
	if line != "" || a.json {
		if err := a.result(line, m); err != nil {
			return err
		}
	}
	switch {
	case m.OK:
		return nil
	case inside:
		return exitf(exitIntegrity, "did you mean "+shellWord(filepath.Join(path, c.Manifest().Name))+"?",
			"%s is not what the ticket names, but a directory around it", quoteName(path))
	case list[0] == blocks.Difference{Kind: blocks.Missing}:
		return exitf(exitIntegrity, "to fetch it: "+get+" -o "+shellWord(target), "there is no %s", quoteArg(path))
	}
	if !strings.HasSuffix(path, "/") {
		target = path // as it was written; with a slash get would put it inside
	}
	return exitf(exitIntegrity, m.mend(get+" -o "+shellWord(target)), "%s is not what the ticket names: %s", quoteName(path), m.words())
}

// contentInside tells whether target is not the content but a directory that it would lie in: any for a file; for a directory one
// that has its name in it, and nothing of what belongs to it.
func contentInside(m *blocks.Manifest, target string) bool {
	has := func(name string) bool {
		_, err := os.Lstat(filepath.Join(target, name))
		return err == nil
	}
	if info, err := os.Stat(target); err != nil || !info.IsDir() {
		return false
	}
	if m.Entries[0].Kind != blocks.Dir {
		return true
	}
	return has(m.Name) && !slices.ContainsFunc(m.Entries, func(e blocks.Entry) bool {
		return e.Path != "" && !strings.Contains(e.Path, "/") && has(filepath.FromSlash(e.Path))
	})
}

// mend says how to make it right by a get to the same place, and what that removes.
func (m *verifyMessage) mend(get string) string {
	if m.Differs+m.Missing > 0 {
		get += " --force"
	}
	if m.Differs > 0 {
		get += " --checksum" // what differs may have the right size and time
	}
	switch {
	case m.Extra == 0:
		return "to replace what differs: " + get
	case m.Differs+m.Missing == 0:
		return "to remove what is extra: " + get + " --delete"
	}
	return "to replace what differs and remove what is extra: " + get + " --delete"
}

// words counts what differs.
func (m *verifyMessage) words() string {
	var parts []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 path "+one)
		case n > 1:
			parts = append(parts, count(n, "path")+" "+many)
		}
	}
	add(m.Differs, "differs", "differ")
	add(m.Missing, "is missing", "are missing")
	add(m.Extra, "is extra", "are extra")
	return strings.Join(parts, ", ")
}

// verifyTarget is the path to look at. A slash at the end means what a link leads to.
func verifyTarget(path string) (string, error) {
	target := path
	if strings.HasSuffix(path, "/") {
		real, err := filepath.EvalSymlinks(path)
		switch {
		case err == nil:
			target = real
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	return filepath.Abs(target)
}

// differences hashes target, with its progress.
func (a *app) differences(c *blocks.Content, target string) ([]blocks.Difference, error) {
	var hashed atomic.Uint64
	m := c.Manifest()
	p := a.startProgress("verify", func() progressSnapshot {
		return progressSnapshot{Stage: stageHashing, Name: m.Name, Done: hashed.Load(), Total: c.Header().Bytes}
	})
	list, err := blocks.ListDifferences(a.ctx, m, target, hashed.Store)
	if err != nil {
		p.stop("stopped")
		return nil, err
	}
	p.stop("finished")
	return list, nil
}
