// One binary that holds a whole Kubernetes control plane and kubectl, for tests and the demo:
// the real kube-apiserver, kube-controller-manager and kubectl, and etcd as a library.
// The first argument chooses; the supervisor starts the same binary again for each server.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

const usage = `usage: control-plane COMMAND [ARGUMENT...]
  supervise --dir DIR [--linger 15s] [--audit] [--node PROGRAM --pause PROGRAM]
                            owns one control plane, with or without a node, until its last user is gone
  apiserver, kcm, kubectl   the real programs, with their own flags`

func main() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		runKubectl()
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	command := os.Args[1]
	os.Args = append(os.Args[:1:1], os.Args[2:]...)
	switch command {
	case "supervise":
		os.Exit(supervise(os.Args[1:]))
	case "apiserver":
		endWithParent()
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kcm":
		endWithParent()
		os.Exit(cli.Run(kcm.NewControllerManagerCommand()))
	case "kubectl":
		runKubectl()
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}

func runKubectl() {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	os.Exit(0)
}
