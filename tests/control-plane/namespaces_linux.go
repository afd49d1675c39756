package main

import (
	"os/exec"
	"syscall"
)

// inNamespaces has the command be the first process of a process namespace, with mounts of its own. When it ends, however
// it ends, the kernel kills all that runs in there, and then no mount is left either.
func inNamespaces(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
}
