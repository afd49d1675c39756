package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// What a node takes of the machine it runs on: two addresses, a bridge, control groups. They have fixed names, so a
// machine has one node at a time, and whoever holds the lock may take away what has these names.
const (
	bridge = "showcore0"
	// The first address of the bridge: at it, pods reach the host.
	bridgeIP      = "10.244.0.1"
	bridgeNetwork = "10.244.0.0/24"
	// Left to itself, a bridge takes the lowest address of its pods, so that it changes as they come and go, and what
	// others send to the one before is lost until they ask again.
	bridgeMAC = "0a:58:0a:f4:00:01"
	// containerd calls it so when the kubelet makes no groups itself.
	controlGroup = "k8s.io"
	nodeLock     = "/run/lock/showcore-operator-node.lock"
	packages     = "apt-get install --no-install-recommends containerd runc containernetworking-plugins iproute2"
)

// checkMachine says in one sentence what this machine lacks.
func checkMachine() error {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		return errors.New("a real node needs Linux and root")
	}
	for _, program := range []string{"containerd", "ctr", "runc", "ip", "mount", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("a real node needs the program %s: %s", program, packages)
		}
	}
	for _, plugin := range []string{"bridge", "host-local", "loopback"} {
		if _, err := os.Stat(filepath.Join(cniPlugins, plugin)); err != nil {
			return fmt.Errorf("a real node needs %s: %s", filepath.Join(cniPlugins, plugin), packages)
		}
	}
	return nil
}

// takeTurn waits until no other node holds the machine's lock. The kernel lets go of it when its holder ends.
func takeTurn(ctx context.Context) (*os.File, error) {
	lock, err := os.OpenFile(nodeLock, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			lock.Close()
			return nil, fmt.Errorf("cannot lock %s: %w", nodeLock, err)
		}
		if !told {
			fmt.Fprintln(os.Stderr, "supervise: waiting for the end of this machine's other node, which holds "+nodeLock)
		}
		select {
		case <-ctx.Done():
			lock.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// takeFromMachine wants the lock, and what a killed predecessor took given back.
func takeFromMachine() error {
	if err := checkAddresses(); err != nil {
		return err
	}
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		root += "/memory" // version 1 has a tree for each controller
	}
	if err := os.MkdirAll(filepath.Join(root, controlGroup), 0o755); err != nil {
		return fmt.Errorf("a real node needs control groups that root may make (a container must be a privileged one): %w", err)
	}
	for _, command := range [][]string{
		// The service's address, without anything that would forward it.
		{"addr", "add", serviceIP + "/32", "dev", "lo"},
		// The pods' bridge, before the first of them: its address is the node's.
		{"link", "add", bridge, "address", bridgeMAC, "type", "bridge"},
		{"addr", "add", bridgeIP + "/24", "dev", bridge},
		{"link", "set", bridge, "up"},
	} {
		if err := ip(command...); err != nil {
			return err
		}
	}
	return nil
}

func giveBackToMachine() {
	_ = ip("link", "delete", bridge)
	_ = ip("addr", "del", serviceIP+"/32", "dev", "lo")
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		groups, _ := filepath.Glob(pattern + controlGroup)
		for _, group := range groups {
			// Only folders can be removed in there, and only those without processes: not another containerd's.
			inner, _ := filepath.Glob(group + "/*")
			for _, path := range append(inner, group) {
				_ = syscall.Rmdir(path)
			}
		}
	}
}

// checkAddresses: a machine in whose own network these addresses are would lose its way to it.
func checkAddresses() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, one := range interfaces {
		addresses, _ := one.Addrs()
		for _, address := range addresses {
			network, ok := address.(*net.IPNet)
			if ok && (network.Contains(net.ParseIP(serviceIP)) || network.Contains(net.ParseIP(bridgeIP))) {
				return fmt.Errorf("a real node needs %s and %s for itself, and this machine's %s is in the network %s",
					serviceIP, bridgeNetwork, one.Name, network)
			}
		}
	}
	return nil
}

func ip(arguments ...string) error {
	output, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}
