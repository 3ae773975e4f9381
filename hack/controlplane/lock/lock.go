// Package lock keeps two commands from working on one folder at the same time.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Dir makes the folder if it is missing and holds it until release is called or the process ends; nothing is left
// behind in the folder. It waits for another holder until ctx ends, whose cause is then the error. The folder may be
// emptied while it is held, but not be removed: a second caller would then hold a new folder of the same name.
func Dir(ctx context.Context, path string) (release func(), err error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", path, err)
	}
	folder, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening %s to lock it: %w", path, err)
	}
	if err := acquire(ctx, folder); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), folder.Close())
	}
	return func() { _ = folder.Close() }, nil // closing is what releases it
}

// acquire tries again and again, because a blocking lock could not be interrupted.
func acquire(ctx context.Context, folder *os.File) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another command holds it: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}
