package blocks

import (
	"context"
	"fmt"
	"path"
)

// Sweep comes after Place: it removes what was replaced and the partial directory, and gives up the lock. Until then another get
// of the target waits. ErrLeftover, also when ctx ends it: the next get of the target removes the rest.
func (s *Store) Sweep(ctx context.Context) error {
	s.stages.Lock()
	defer s.stages.Unlock()
	return s.sweep(ctx)
}

// sweep is Sweep. The caller holds stages.
func (s *Store) sweep(ctx context.Context) error {
	if s.unswept {
		s.leavePartial(ctx)
	}
	err := s.leftover
	s.leftover = nil
	return err
}

// leavePartial removes the partial directory and gives up the lock. The caller holds stages.
func (s *Store) leavePartial(ctx context.Context) {
	s.unswept = false
	s.journal.f.Close()
	s.reuse.close()
	where := path.Join(s.lock.parent.Name(), s.lock.partial)
	if err := s.lock.release(ctx, true); err != nil {
		s.leftover = fmt.Errorf("%w: remove %q: %w", ErrLeftover, where, err)
	}
}
