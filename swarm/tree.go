package swarm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

const treeTime = 5 * time.Second // for one answer to TREE

var errNoNodes = errors.New("nobody has the nodes")

// nodesFor answers a TREE.
func (s *Swarm) nodesFor(m wire.Tree) wire.Nodes {
	reply := wire.Nodes{Tree: m}
	c := s.Content()
	if c == nil || m.Count > blocks.MaxNodes {
		return reply
	}
	if t := c.Tree(m.File); t != nil {
		reply.CVs, reply.OK = t.Nodes(m.Level, m.First, m.Count)
	}
	if !reply.OK {
		reply.CVs = nil
	}
	return reply
}

// takeNodes gives an answer to who waits for it.
func (ss *session) takeNodes(p []byte) error {
	m, err := wire.ParseNodes(p)
	if err != nil {
		return err
	}
	ss.mu.Lock()
	c := ss.trees[m.Tree]
	delete(ss.trees, m.Tree)
	ss.mu.Unlock()
	if c != nil {
		c <- m
	}
	return nil
}

// FetchTree completes level 0 of a large file's Tree by asking peers, complete ones first. It implements blocks.TreeFetcher.
func (s *Swarm) FetchTree(ctx context.Context, file uint32) error {
	t := s.Content().Tree(file)
	if t == nil {
		return fmt.Errorf("fetch tree %d: no such file", file)
	}
	for failures := 0; ; {
		missing := t.Missing()
		if len(missing) == 0 {
			return nil
		}
		m := missing[0]
		err := s.fetchNodes(ctx, t, wire.Tree{File: file, Level: m.Level, First: m.First, Count: m.Count})
		if err == nil {
			failures = 0
			continue
		}
		if failures++; failures > 20 || ctx.Err() != nil {
			return fmt.Errorf("fetch tree %d: %w", file, err)
		}
		if !s.sleep(250 * time.Millisecond) {
			return s.ctx.Err()
		}
	}
}

// fetchNodes asks one session after another.
func (s *Swarm) fetchNodes(ctx context.Context, t *blocks.Tree, m wire.Tree) error {
	for _, ss := range s.treeHolders() {
		reply, err := ss.askNodes(ctx, m)
		if err != nil || !reply.OK {
			continue
		}
		if err := t.AddNodes(m.Level, m.First, reply.CVs); err == nil {
			return nil
		}
		ss.close(errWrongNodes)
	}
	return errNoNodes
}

// treeHolders lists the sessions by how likely they are to have the nodes: who has announced most, first.
func (s *Swarm) treeHolders() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var full, rest []*session
	for _, ss := range s.sessions {
		ss.mu.Lock()
		complete := ss.announced != nil && ss.announced.Count() == ss.announced.Len()
		ss.mu.Unlock()
		if complete {
			full = append(full, ss)
		} else {
			rest = append(rest, ss)
		}
	}
	return append(full, rest...)
}

func (ss *session) askNodes(ctx context.Context, m wire.Tree) (wire.Nodes, error) {
	c := make(chan wire.Nodes, 1)
	ss.mu.Lock()
	busy := ss.trees[m] != nil
	if !busy {
		ss.trees[m] = c
	}
	ss.mu.Unlock()
	if busy {
		return wire.Nodes{}, errNoNodes
	}
	ss.push(func(b []byte) []byte { return m.Append(b) })
	timeout := time.NewTimer(treeTime)
	defer timeout.Stop()
	defer func() {
		ss.mu.Lock()
		delete(ss.trees, m)
		ss.mu.Unlock()
	}()
	select {
	case reply := <-c:
		return reply, nil
	case <-timeout.C:
		return wire.Nodes{}, errNoNodes
	case <-ss.gone:
		return wire.Nodes{}, errNoNodes
	case <-ctx.Done():
		return wire.Nodes{}, ctx.Err()
	}
}
