package cmd

import (
	"context"
	"os"
	"path/filepath"
	"strconv"

	"p2pcp/blocks"
)

// dryNamed is how many paths of a kind --dry-run names.
const dryNamed = 10

// dryRun says what get would do, as an observer: nobody counts it.
func (g *getRun) dryRun() error {
	a, f := g.app, g.flags
	c, err := g.manifest(a.ctx)
	if err != nil {
		return err
	}
	place, err := findPlace(f.to, c)
	if err != nil {
		return err
	}
	if err := place.check(); err != nil {
		return err
	}
	d, err := blocks.CompareTarget(a.ctx, c.Manifest(), place.target, f.checksum, nil)
	if err != nil {
		return cannotRead(place.target, err)
	}
	if err := mayReplace(d, f, place.target); err != nil {
		return err
	}
	root := rootOf(c)
	a.note("dry run: nothing was fetched or written")
	for _, line := range foretell(c, d, place.target) {
		a.note("%s", line)
	}
	return a.result(resultLine(!d.Same, place.target, root), resultMessage{
		Type: "result", Changed: !d.Same, Path: place.target, Root: root.String(), Bytes: c.Header().Bytes, DryRun: true,
	})
}

// manifest fetches the list of files as an observer.
func (g *getRun) manifest(ctx context.Context) (*blocks.Content, error) {
	addrs, err := g.app.bootstrapAddrs(ctx, g.ticket, g.flags.join, 0)
	if err != nil {
		return nil, err
	}
	o := observed{ticket: g.ticket, secrets: secretsOf(g.ticket, g.secret), addrs: distinct(addrs)}
	return o.content(ctx)
}

// foretell says what a get that may do it would do.
func foretell(c *blocks.Content, d blocks.Compare, target string) []string {
	if d.Same {
		return nil
	}
	files, size := d.Files, d.Bytes
	if d.Absent {
		files, size = 0, c.Header().Bytes
		for i := range c.Manifest().Entries {
			if c.Manifest().Entries[i].Kind == blocks.File {
				files++
			}
		}
	}
	lines := []string{"would fetch " + count(files, "file") + ", " + formatSize(size) + " at most"}
	if size == 0 {
		lines[0] = "would fetch nothing"
	}
	if d.Absent {
		return append(lines, "would make "+quoteName(target))
	}
	for _, name := range d.Differs[:min(len(d.Differs), dryNamed)] {
		lines = append(lines, "would write "+name)
	}
	if more := d.NDiffer - dryNamed; more > 0 {
		lines = append(lines, "would write "+count(more, "more path"))
	}
	for _, name := range d.Extra[:min(len(d.Extra), dryNamed)] {
		lines = append(lines, "would delete "+name+contents(target, name))
	}
	if more := d.NExtra - dryNamed; more > 0 {
		lines = append(lines, "would delete "+count(more, "more path"))
	}
	return lines
}

// contents is what to add to the quoted name of a path that is a directory: what it holds isn't named.
func contents(target, quoted string) string {
	name, err := strconv.Unquote(quoted)
	if err != nil {
		return ""
	}
	if st, err := os.Lstat(filepath.Join(target, name)); err != nil || !st.IsDir() {
		return ""
	}
	return " and all that is in it"
}
