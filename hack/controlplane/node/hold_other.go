//go:build !linux

package node

import (
	"context"
	"errors"
	"syscall"
)

var errNotLinux = errors.New("a real node needs Linux")

// Hold fails: namespaces are Linux's.
func (n Node) Hold(context.Context) error { return errNotLinux }

// HoldAttributes are none.
func HoldAttributes() *syscall.SysProcAttr { return nil }

// InsideNetwork fails.
func InsideNetwork(int, func() error) error { return errNotLinux }

// MakeCgroup fails.
func (n Node) MakeCgroup() error { return errNotLinux }

// RemoveCgroup has nothing to do.
func (n Node) RemoveCgroup() error { return nil }
