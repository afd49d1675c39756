// leash PARENT_PID COMMAND [ARGUMENT...]: becomes COMMAND (the same process, so its pid is the
// command's own) and has the kernel kill it when the parent ends, however the parent ends.
//
// It is a program of its own, and not an argument of the control plane's, because that one takes
// a tenth of a second only to be loaded.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// The kernel keeps the wish for a signal for each thread: the one that asks must be the one that
// becomes the command.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) < 3 {
		fail("usage: leash PARENT_PID COMMAND [ARGUMENT...]")
	}
	parent, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fail("the parent's pid is not a number: " + os.Args[1])
	}
	path, err := exec.LookPath(os.Args[2])
	if err != nil {
		fail(err.Error())
	}
	if err := killWithParent(); err != nil {
		fail("cannot ask the kernel for a signal at the parent's end: " + err.Error())
	}
	// The parent may have ended before the kernel was asked.
	if os.Getppid() != parent {
		fail("the parent is gone already")
	}
	fail(path + ": " + syscall.Exec(path, os.Args[2:], os.Environ()).Error())
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "leash: "+why)
	os.Exit(125)
}
