// The programs of a real node: the kubelet, and the scheduler that gives it pods. A binary of its own, so that who
// only needs a control plane never builds them.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"k8s.io/component-base/cli"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: node kubelet|scheduler [ARGUMENT...], the real programs with their own flags")
		os.Exit(2)
	}
	command := os.Args[1]
	os.Args = append(os.Args[:1:1], os.Args[2:]...)
	endWithParent()
	switch command {
	case "kubelet":
		os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background())))
	case "scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	}
	fmt.Fprintf(os.Stderr, "node: no %q\n", command)
	os.Exit(2)
}

// The pipe is closed by the kernel, so a killed supervisor leaves nothing.
func endWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}
