//go:build !linux

package main

import "os/exec"

// Never called: a node is refused before.
func inNamespaces(*exec.Cmd) {}
