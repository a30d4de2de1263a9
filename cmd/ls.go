package cmd

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"

	"p2pcp/blocks"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// lsFlags are those of 'p2pcp ls'.
type lsFlags struct {
	observerFlags
	long  bool
	b3sum bool
}

func newLsCmd(a *app) *cobra.Command {
	var f lsFlags
	c := &cobra.Command{
		Use:   "ls TICKET|-|@FILE",
		Short: "List what a ticket names",
		Long: "ls lists the paths that 'get' would make, one a line; a name that can't be\n" +
			"printed is quoted. With --b3sum it prints the hash of each file, as b3sum reads\n" +
			"it in the directory that holds the content.",
		Example: "  p2pcp ls -l $T\n  cd /scratch && p2pcp ls --b3sum $T | b3sum --check",
		Args:    wantArgs(1, 1, "a TICKET"),
		RunE: func(_ *cobra.Command, args []string) error {
			if f.long && f.b3sum {
				return usagef("", "--long and --b3sum exclude each other")
			}
			o, err := a.observed(args[0], &f.observerFlags)
			if err != nil {
				return err
			}
			content, err := o.content(a.ctx)
			if err != nil {
				return err
			}
			return a.list(content.Manifest(), f)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVarP(&f.long, "long", "l", false, "mode, size, time (UTC) and link target too")
	c.Flags().BoolVar(&f.b3sum, "b3sum", false, "the hash of each file, for 'b3sum --check'")
	f.register(c)
	return c
}

// list writes a Manifest to stdout in the form that the flags ask for.
func (a *app) list(m *blocks.Manifest, f lsFlags) error {
	form := plainEntry
	switch {
	case a.json:
		form = jsonEntry
	case f.b3sum:
		form = func(name string, e *blocks.Entry) string { return a.sumLine(e.Root.String(), name) }
	case f.long:
		form = longEntry(m)
	}
	w := bufio.NewWriterSize(a.stdout, 64<<10)
	for i := range m.Entries {
		e := &m.Entries[i]
		if f.b3sum && e.Kind != blocks.File {
			continue
		}
		if _, err := io.WriteString(w, form(entryName(m, e), e)+"\n"); err != nil {
			return fmt.Errorf("write to stdout: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// entryName is an Entry's path as seen from the directory that holds the content.
func entryName(m *blocks.Manifest, e *blocks.Entry) string {
	if e.Path == "" {
		return m.Name
	}
	return m.Name + "/" + e.Path
}

// plainEntry is the path; a directory's ends in a slash.
func plainEntry(name string, e *blocks.Entry) string {
	if e.Kind == blocks.Dir {
		name += "/"
	}
	return quoteName(name)
}

// sumLine is the line of b3sum, as it is where a program reads it, quoted on a terminal.
func (a *app) sumLine(hex, path string) string {
	line := sumLine(hex, path)
	if term.IsTerminal(int(a.stdout.file.Fd())) {
		return quoteMessage(line)
	}
	return line
}

// longEntry is mode, size, time and path, and of a link where it leads. Sizes are aligned to the longest.
func longEntry(m *blocks.Manifest) func(string, *blocks.Entry) string {
	width := 1
	for i := range m.Entries {
		width = max(width, len(strconv.FormatUint(m.Entries[i].Size, 10)))
	}
	return func(name string, e *blocks.Entry) string {
		line := fmt.Sprintf("%s %*d %s %s", modeText(e), width, e.Size, mtimeText(e), plainEntry(name, e))
		if e.Kind == blocks.Symlink {
			line += " -> " + quoteName(e.Link)
		}
		return line
	}
}

// modeText is the mode as ls(1) writes it.
func modeText(e *blocks.Entry) string {
	kind := "-"
	switch e.Kind {
	case blocks.Dir:
		kind = "d"
	case blocks.Symlink:
		kind = "l"
	}
	return kind + (fs.FileMode(e.Mode) & fs.ModePerm).String()[1:]
}

// mtimeText is the modification time in UTC, so that every host prints the same.
func mtimeText(e *blocks.Entry) string { return time.Unix(0, e.ModTime).UTC().Format(time.RFC3339) }

// entryMessage is an Entry in JSON.
type entryMessage struct {
	Type  string  `json:"message_type"` // entry
	Path  string  `json:"path"`
	Kind  string  `json:"kind"` // file, directory, symlink
	Mode  string  `json:"mode"` // octal
	MTime string  `json:"mtime"`
	Size  *uint64 `json:"bytes,omitempty"`  // of a file
	Root  string  `json:"root,omitempty"`   // of a file
	Link  string  `json:"target,omitempty"` // of a symlink
}

func jsonEntry(name string, e *blocks.Entry) string {
	m := entryMessage{
		Type: "entry", Path: name, Kind: e.Kind.String(), Mode: fmt.Sprintf("%04o", e.Mode),
		MTime: time.Unix(0, e.ModTime).UTC().Format(time.RFC3339Nano),
	}
	switch e.Kind {
	case blocks.File:
		m.Size, m.Root = &e.Size, e.Root.String()
	case blocks.Symlink:
		m.Link = e.Link
	}
	return jsonLine(m)
}
