package lab

import "syscall"

// childAttr is for commands: they die with us. (The kernel means the thread that started them; the holder sees to the rest.)
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// holderAttr is for holders: a signal from the terminal must not reach them, they outlive us to clean up.
func holderAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
