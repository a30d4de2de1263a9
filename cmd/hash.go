package cmd

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"p2pcp/blocks"
	"p2pcp/seed"

	"github.com/spf13/cobra"
)

// hashFlags are those of 'p2pcp hash'.
type hashFlags struct {
	list    bool
	exclude []string
}

func newHashCmd(a *app) *cobra.Command {
	var f hashFlags
	c := &cobra.Command{
		Use:   "hash PATH...",
		Short: "Print the BLAKE3 hash of files, or the ID of directories",
		Long: "hash prints for a file the line of b3sum: its hash and its path. For a directory\n" +
			"it prints the ID that 'seed' would give it, and with -l a line for each file in\n" +
			"it. The lines of files are what 'b3sum --check' reads.",
		Example: "  p2pcp hash big.tar\n  p2pcp hash -l model/ | tail -n +2 | b3sum --check",
		Args:    wantArgs(1, -1, "a PATH"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(_ *cobra.Command, args []string) error {
			for _, p := range args {
				if err := a.hash(a.ctx, p, f); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVarP(&f.list, "list", "l", false, "a line for each file of a directory")
	c.Flags().StringArrayVar(&f.exclude, "exclude", nil, "leave out what matches this `GLOB`; repeatable")
	return c
}

// hashMessage is a file or directory in JSON.
type hashMessage struct {
	Type string `json:"message_type"` // result
	Path string `json:"path"`
	Root string `json:"root,omitempty"` // of a file
	ID   string `json:"id,omitempty"`   // of a directory
	Size uint64 `json:"bytes"`
}

// hash hashes one path without the cache: it answers for what is on the disk now.
func (a *app) hash(ctx context.Context, p string, f hashFlags) error {
	o := seed.Options{Exclude: f.exclude}
	if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
		// A file's hash doesn't depend on its name, which may be one that receivers would refuse.
		o.Name = "file"
	}
	source, err := a.build(ctx, "hash", []string{p}, o)
	if err != nil {
		return err
	}
	defer source.Close()
	content := source.Content()
	entries := content.Manifest().Entries
	if !content.Header().Dir {
		e := entries[0]
		return a.result(a.sumLine(e.Root.String(), p), hashMessage{"result", p, e.Root.String(), "", e.Size})
	}
	id := content.ID().String()
	if err := a.result(a.sumLine(id, p), hashMessage{"result", p, "", id, content.Header().Bytes}); err != nil || !f.list {
		return err
	}
	for _, e := range entries {
		if e.Kind != blocks.File {
			continue
		}
		name := strings.TrimRight(p, "/") + "/" + e.Path
		if strings.Trim(p, "/") == "" {
			name = path.Join(p, e.Path)
		}
		if err := a.result(a.sumLine(e.Root.String(), name), hashMessage{"result", name, e.Root.String(), "", e.Size}); err != nil {
			return err
		}
	}
	return nil
}

// build is seed.Build with the display of its progress and its warnings.
func (a *app) build(ctx context.Context, command string, paths []string, o seed.Options) (*seed.Source, error) {
	var done, total atomic.Uint64
	name := path.Base(paths[0])
	if len(paths) > 1 {
		name = fmt.Sprintf("%d paths", len(paths))
	}
	o.Progress = func(d, t uint64) {
		done.Store(d)
		total.Store(t)
	}
	o.Warn = func(path, why string) { a.warn("%s: %s", quoteName(path), why) }
	p := a.startProgress(command, func() progressSnapshot {
		return progressSnapshot{Stage: stageHashing, Name: name, Done: done.Load(), Total: total.Load()}
	})
	source, err := a.buildSource(ctx, paths, o)
	if err != nil {
		p.stop("failed")
		return nil, err
	}
	p.stop("finished")
	return source, nil
}
