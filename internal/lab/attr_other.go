//go:build !linux

package lab

import "syscall"

func childAttr() *syscall.SysProcAttr  { return nil }
func holderAttr() *syscall.SysProcAttr { return nil }
