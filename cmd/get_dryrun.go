package cmd

import "p2pcp/blocks"

// dryRun says what get would do, as an observer: nobody counts it.
func (g *getRun) dryRun() error {
	a, f := g.app, g.flags
	c, err := a.observeContent(a.ctx, g.ticket, g.secret, f.join)
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
		return err
	}
	if err := mayReplace(d, f, place.target); err != nil {
		return err
	}
	root := rootOf(c)
	a.note("dry run: nothing was fetched or written")
	return a.result(resultLine(!d.Same, place.target, root), resultMessage{
		Type: "result", Changed: !d.Same, Path: place.target, Root: root.String(), Bytes: c.Header().Bytes, DryRun: true,
	})
}
