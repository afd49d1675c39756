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
	"sync"
	"time"
)

// One real node beside the control plane: containerd with runc, the kubelet, and the scheduler that gives it pods.
//
// containerd's shims and the pods are meant to outlive containerd, and mounts outlive everything. So they live in a room
// of their own, namespaces that end with one process, which ends with us.
type node struct {
	program string // with the kubelet and the scheduler in it
	pause   string // what a pod's sandbox runs
	dir     string // removed at the end
	room    *child

	mu    sync.Mutex // the machine is taken and given back one after the other
	ended bool
	lock  *os.File // held while something of the machine is taken
}

const (
	nodeName   = "node-1"
	cniPlugins = "/usr/lib/cni" // where Debian has them
)

// prepare waits for its turn, and gives back what a killed predecessor took.
func (n *node) prepare(ctx context.Context) error {
	if err := checkMachine(); err != nil {
		return err
	}
	lock, err := takeTurn(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		lock.Close()
		return errors.New("the control plane is being stopped")
	}
	n.lock = lock
	giveBackToMachine()
	return takeFromMachine()
}

// end is called when all processes have ended.
func (n *node) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	if n.lock != nil {
		giveBackToMachine()
		n.lock.Close()
	}
}

// start returns when the node is ready for pods.
func (n *node) start(ctx context.Context, s *servers, keys *credentials, kubeconfig, server string) error {
	if err := n.writeConfigs(keys); err != nil {
		return err
	}
	if err := n.openRoom(s); err != nil {
		return err
	}
	if err := n.startContainerd(ctx, s); err != nil {
		return err
	}
	identity, err := keys.writeClientKubeconfig("kubelet", server, "system:node:"+nodeName, "system:nodes")
	if err != nil {
		return err
	}
	kubelet, err := s.runCommand("kubelet", n.inRoom(n.program, "kubelet", "--config="+n.path("kubelet.yaml"),
		"--kubeconfig="+identity, "--hostname-override="+nodeName, "--node-ip="+bridgeIP,
		"--root-dir="+n.path("kubelet"), "--cert-dir="+n.path("kubelet-pki")))
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

func (n *node) writeConfigs(keys *credentials) error {
	for name, text := range map[string]string{
		"containerd.toml": fmt.Sprintf(containerdConfig, n.path("root"), n.path("state"), n.socket(), pauseImage,
			cniPlugins, n.path("cni")),
		"cni/10-b.conflist": fmt.Sprintf(cniConfig, bridge, n.path("addresses"), bridgeNetwork),
		"kubelet.yaml":      fmt.Sprintf(kubeletConfig, keys.path("ca.crt"), n.socket(), bridgeIP),
	} {
		path := n.path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// openRoom makes the namespaces: their first process does nothing but wait for our end, and bury what dies in there.
func (n *node) openRoom(s *servers) error {
	first := exec.Command("sh", "-c", "cat > /dev/null; exit")
	inNamespaces(first)
	var err error
	if n.room, err = s.runCommand("room", first); err != nil {
		return err
	}
	furnish := n.inRoom("sh", "-c", roomScript, "sh", n.path("machine"), filepath.Join(s.logs, "pods"))
	if output, err := furnish.CombinedOutput(); err != nil {
		return fmt.Errorf("a real node needs namespaces with mounts of their own: %w: %s", err, output)
	}
	return nil
}

// Whatever they are told, containerd, runc, the CNI plugins and the kubelet write into folders of the machine. In the room
// these are folders of ours, which go with the rest; the pods' logs lie with the servers'.
const roomScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
for folder in /run/containerd /run/netns /var/lib/cni /var/lib/kubelet /var/log/containers; do
  mkdir -p $folder "$1$folder"
  mount --bind "$1$folder" $folder
done
mkdir -p /var/log/pods "$2"
mount --bind "$2" /var/log/pods`

func (n *node) inRoom(program string, arguments ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(n.room.command.Process.Pid), "--pid", "--mount", "--", program}
	return exec.Command("nsenter", append(enter, arguments...)...)
}

func (n *node) startContainerd(ctx context.Context, s *servers) error {
	containerd, err := s.runCommand("containerd", n.inRoom("containerd", "--config", n.path("containerd.toml")))
	if err != nil {
		return err
	}
	s.watch(containerd)
	archive := n.path("pause.tar")
	if err := writeImage(archive, pauseImage, n.pause); err != nil {
		return fmt.Errorf("cannot make the image of a pod's sandbox: %w", err)
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
		select {
		case <-containerd.ended:
			return containerd.failure()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *node) socket() string { return n.path("containerd.sock") }

// native: a folder a layer, where overlays cannot be mounted. A machine that is itself a sandbox may
// not lower what the kernel kills first.
const containerdConfig = `version = 2
root = %q
state = %q
[grpc]
address = %q
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %q
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %q
conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
`

// Without ipMasq the bridge needs no iptables; pods reach this machine, and nothing beyond it.
const cniConfig = `{"cniVersion": "0.4.0", "name": "showcore", "plugins": [
  {"type": "bridge", "bridge": %q, "isGateway": true, "ipMasq": false, "ipam": {"type": "host-local", "dataDir": %q,
   "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "loopback"}]}
`

// The machine belongs to others too: the kubelet takes no part of its memory for itself, and evicts no pod because its disk
// is full. Control groups of either version do.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: %q}, webhook: {enabled: true}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: "unix://%s"
clusterDNS: [10.0.0.10]
clusterDomain: cluster.local
resolvConf: /etc/resolv.conf
address: %s
port: 10250
readOnlyPort: 0
healthzPort: 0
evictionHard: {}
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
cgroupsPerQOS: false
enforceNodeAllocatable: []
`
