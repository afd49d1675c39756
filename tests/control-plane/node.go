package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// One real node beside the control plane: containerd with runc, the kubelet, and the scheduler that
// gives it pods. It needs root, and Debian's packages; addresses and names of the machine are used,
// so there is one at a time.
type node struct {
	program string // with the kubelet and the scheduler in it
	pause   string // what a pod's sandbox runs
	dir     string // removed at the end
	lock    *os.File
}

const (
	nodeName = "node-1"
	// The first address of the bridge: at it, pods reach the host.
	bridgeIP = "10.244.0.1"
	bridge   = "cni0"
	nodeLock = "/run/lock/showcore-operator-node.lock"
	packages = "apt-get install --no-install-recommends containerd runc containernetworking-plugins iproute2"
)

// prepare waits for its turn, and clears away what a killed predecessor left.
func (n *node) prepare() error {
	if os.Getuid() != 0 {
		return errors.New("a real node needs root")
	}
	for _, program := range []string{"containerd", "ctr", "runc", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("a real node needs %s: %s", program, packages)
		}
	}
	if _, err := os.Stat("/usr/lib/cni/bridge"); err != nil {
		return fmt.Errorf("a real node needs /usr/lib/cni/bridge: %s", packages)
	}
	lock, err := os.OpenFile(nodeLock, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "waiting for the machine's one node: "+nodeLock)
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	n.lock = lock
	n.clear()
	for _, command := range [][]string{
		// The service's address, without anything that would forward it.
		{"addr", "add", serviceIP + "/32", "dev", "lo"},
		// The pods' bridge, before the first of them: its address is the node's.
		{"link", "add", bridge, "type", "bridge"},
		{"addr", "add", bridgeIP + "/24", "dev", bridge},
		{"link", "set", bridge, "up"},
	} {
		if err := ip(command...); err != nil {
			return err
		}
	}
	return nil
}

// start returns when the node is ready for pods.
func (n *node) start(ctx context.Context, s *servers, keys *credentials, kubeconfig, server string) error {
	if err := n.startContainerd(ctx, s); err != nil {
		return err
	}
	identity, err := keys.writeClientKubeconfig("kubelet", server, "system:node:"+nodeName, "system:nodes")
	if err != nil {
		return err
	}
	config := n.path("kubelet.yaml")
	text := fmt.Sprintf(kubeletConfig, keys.path("ca.crt"), n.socket())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	kubelet, err := s.runProgram(n.program, "kubelet", "--config="+config, "--kubeconfig="+identity,
		"--hostname-override="+nodeName, "--node-ip="+bridgeIP,
		"--root-dir="+n.path("kubelet"), "--cert-dir="+n.path("kubelet-pki"))
	if err != nil {
		return err
	}
	scheduler, err := s.runProgram(n.program, "scheduler", "--kubeconfig="+kubeconfig, "--leader-elect=false",
		"--secure-port=0")
	if err != nil {
		return err
	}
	s.watch(scheduler)
	err = s.waitUntil(ctx, kubelet, keys, server+"/api/v1/nodes/"+nodeName, func(body []byte) bool {
		return strings.Contains(string(body), `"reason":"KubeletReady"`)
	})
	if err != nil {
		return err
	}
	s.watch(kubelet)
	return nil
}

func (n *node) startContainerd(ctx context.Context, s *servers) error {
	for name, text := range map[string]string{
		"containerd.toml":   fmt.Sprintf(containerdConfig, n.path("root"), n.path("state"), n.socket(), n.path("cni")),
		"cni/10-b.conflist": fmt.Sprintf(cniConfig, bridge, n.path("addresses")),
	} {
		path := n.path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	containerd, err := s.runCommand("containerd", exec.Command("containerd", "--config", n.path("containerd.toml")))
	if err != nil {
		return err
	}
	s.watch(containerd)
	archive := n.path("pause.tar")
	if err := writeImage(archive, pauseImage, n.pause); err != nil {
		return err
	}
	// It takes a moment to listen.
	for attempt := 0; ; attempt++ {
		output, err := exec.CommandContext(ctx, "ctr", "--address", n.socket(), "--namespace", "k8s.io", "images", "import",
			archive).CombinedOutput()
		if err == nil {
			return nil
		}
		if attempt > 100 {
			return fmt.Errorf("containerd takes no image: %s; the end of its log:\n%s", output, containerd.tail())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *node) socket() string { return n.path("containerd.sock") }

// end takes away what containerd leaves behind, which is meant to outlive it: shims and what they run,
// mounts, network namespaces.
func (n *node) end() {
	if n.lock == nil {
		return
	}
	n.clear()
	_ = n.lock.Close()
}

// Ours is what names containerd's socket or a folder of ours; whoever holds the lock is alone.
func (n *node) clear() {
	for _, pid := range withDescendants(leftovers()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	// The folders of all control planes lie beside ours: DIR/data/node.
	unmountBelow(filepath.Dir(filepath.Dir(filepath.Dir(n.dir))))
	spaces, _ := filepath.Glob("/run/netns/cni-*")
	for _, space := range spaces {
		_ = syscall.Unmount(space, syscall.MNT_DETACH)
		_ = os.Remove(space)
	}
	_ = ip("link", "delete", bridge)
	_ = ip("addr", "del", serviceIP+"/32", "dev", "lo")
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/k8s.io/*")
	for _, group := range groups {
		_ = os.Remove(group)
	}
}

// containerd and the shims of any node of ours: what they are told lies in a control plane's folder.
func leftovers() []int {
	var found []int
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range commands {
		text, _ := os.ReadFile(path)
		words := strings.Split(string(text), "\x00")
		if strings.Contains(words[0], "containerd") && strings.Contains(string(text), "/data/node/containerd.") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			found = append(found, pid)
		}
	}
	return found
}

func withDescendants(pids []int) []int {
	for i := 0; i < len(pids); i++ {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			for _, word := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(word); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

func unmountBelow(parent string) {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	lines := strings.Split(string(text), "\n")
	// The later ones lie in the earlier ones.
	for i := len(lines) - 1; i >= 0; i-- {
		words := strings.Fields(lines[i])
		if len(words) > 4 && strings.HasPrefix(words[4], parent+"/") && strings.Contains(words[4], "/data/node/") {
			_ = syscall.Unmount(words[4], syscall.MNT_DETACH)
		}
	}
}

func ip(arguments ...string) error {
	output, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}

// native: a folder a layer, where overlays cannot be mounted. A machine that is itself a sandbox may
// not lower what the kernel kills first.
const containerdConfig = `version = 2
root = %q
state = %q
[grpc]
address = %q
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "` + pauseImage + `"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
`

const cniConfig = `{"cniVersion": "0.4.0", "name": "showcore", "plugins": [
  {"type": "bridge", "bridge": %q, "isGateway": true, "ipMasq": false, "ipam": {"type": "host-local", "dataDir": %q,
   "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "loopback"}]}
`

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: %s}, webhook: {enabled: true}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://%s
clusterDNS: [10.0.0.10]
clusterDomain: cluster.local
resolvConf: /etc/resolv.conf
port: 37250
readOnlyPort: 0
healthzPort: 0
evictionHard: {}
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
cgroupsPerQOS: false
enforceNodeAllocatable: []
`
