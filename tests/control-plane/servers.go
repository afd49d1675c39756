package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.etcd.io/etcd/server/v3/embed"
)

// The servers of one control plane: etcd inside this process, the API server and the controller
// manager as children that end with it.
type servers struct {
	data string // removed at the end
	logs string // kept when something went wrong
	// Whether the API server writes down each request.
	audit bool
	node  *node // nil without one
	died  chan error

	mu       sync.Mutex
	stopped  bool
	children []*child
}

// What a user is told.
type access struct {
	Kubeconfig string `json:"kubeconfig"`
	Server     string `json:"server"`
	Token      string `json:"token"`
	// One line of JSON for each request, if that was asked for.
	AuditLog string `json:"auditLog,omitempty"`
	// With a node: where its containerd listens, and where its pods reach this machine.
	Containerd  string `json:"containerd,omitempty"`
	HostAddress string `json:"hostAddress,omitempty"`
	// The processes, for tests that look whether anything was left running.
	Pids []int `json:"pids"`
}

// start returns when the API server is ready and the controllers work.
func (s *servers) start(ctx context.Context) (*access, error) {
	if s.node != nil {
		if err := s.node.prepare(ctx); err != nil {
			return nil, err
		}
	}
	keys, err := newCredentials(filepath.Join(s.data, "credentials"))
	if err != nil {
		return nil, fmt.Errorf("cannot write the control plane's keys: %w", err)
	}
	etcd, err := startEtcd(ctx, s.data)
	if err != nil {
		return nil, fmt.Errorf("etcd did not start: %w", err)
	}
	server, err := s.startAPIServer(ctx, keys, etcd)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := keys.writeKubeconfig(server)
	if err != nil {
		return nil, err
	}
	if err := s.startControllers(ctx, keys, kubeconfig, server); err != nil {
		return nil, err
	}
	answer := &access{Kubeconfig: kubeconfig, Server: server, Token: keys.token, Pids: []int{os.Getpid()}}
	if s.audit {
		answer.AuditLog = s.auditLog()
	}
	if s.node != nil {
		if err := s.node.start(ctx, s, keys, kubeconfig, server); err != nil {
			return nil, err
		}
		answer.Containerd, answer.HostAddress = s.node.socket(), bridgeIP
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		answer.Pids = append(answer.Pids, c.command.Process.Pid)
	}
	return answer, nil
}

// A control plane that lives for minutes needs no fsync. A socket instead of a port: nothing can
// clash, and no other user of the machine reaches the data.
func startEtcd(ctx context.Context, data string) (string, error) {
	client := url.URL{Scheme: "unix", Path: filepath.Join(data, "etcd.sock")}
	peer := url.URL{Scheme: "unix", Path: filepath.Join(data, "peer.sock")}
	// etcd takes no socket as an advertised address; nobody asks for it.
	nobody := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Dir = filepath.Join(data, "etcd")
	config.ListenClientUrls = []url.URL{client}
	config.ListenPeerUrls = []url.URL{peer}
	config.AdvertiseClientUrls = []url.URL{nobody}
	config.AdvertisePeerUrls = []url.URL{nobody}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = true
	config.LogLevel = "error"
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return client.String(), nil
	case err := <-etcd.Err():
		return "", err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (s *servers) startAPIServer(ctx context.Context, keys *credentials, etcd string) (string, error) {
	var more []string
	if s.audit {
		policy := filepath.Join(s.data, "audit-policy.yaml")
		if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
			return "", err
		}
		more = append(more, "--audit-policy-file="+policy, "--audit-log-path="+s.auditLog(),
			// Whoever reads it wants all of it in one file.
			"--audit-log-maxsize=100000")
	}
	bindAddress, authorization := "127.0.0.1", "RBAC"
	if s.node != nil {
		if err := keys.writeClientCertificate("apiserver", "apiserver", "system:masters"); err != nil {
			return "", err
		}
		bindAddress, authorization = "0.0.0.0", "Node,RBAC"
		more = append(more,
			"--client-ca-file="+keys.path("ca.crt"),
			"--kubelet-preferred-address-types=InternalIP",
			"--kubelet-client-certificate="+keys.path("apiserver.crt"),
			"--kubelet-client-key="+keys.path("apiserver.key"),
		)
	}
	// Another process may take the port between our looking and the server's binding it.
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return "", err
		}
		if s.node != nil {
			// Pods come to the service's address, and nothing forwards them to another port.
			port = 443
		}
		server := fmt.Sprintf("https://127.0.0.1:%d", port)
		api, err := s.run("apiserver", append(more,
			"--etcd-servers="+etcd,
			"--bind-address="+bindAddress,
			fmt.Sprintf("--secure-port=%d", port),
			"--advertise-address=127.0.0.1",
			// Nothing in here asks where the service leads to (a node's pods reach the API by the
			// service's address itself); without this the server writes its own address into an
			// object every ten seconds.
			"--endpoint-reconciler-type=none",
			"--tls-cert-file="+keys.path("server.crt"),
			"--tls-private-key-file="+keys.path("server.key"),
			"--service-cluster-ip-range="+serviceRange,
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file="+keys.path("sa.pub"),
			"--service-account-signing-key-file="+keys.path("sa.key"),
			"--authorization-mode="+authorization,
			"--token-auth-file="+keys.path("tokens.csv"),
			"--profiling=false",
			// Fairness between many tenants costs time, and here there is one.
			"--enable-priority-and-fairness=false",
		)...)
		if err != nil {
			return "", err
		}
		err = s.waitFor(ctx, api, keys, server+"/readyz")
		if err != nil && attempt < 4 && strings.Contains(api.tail(), "address already in use") {
			continue
		}
		if err != nil {
			return "", err
		}
		s.watch(api)
		return server, nil
	}
}

// https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
const auditPolicy = `{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}`

func (s *servers) auditLog() string { return filepath.Join(s.logs, "audit.log") }

func (s *servers) startControllers(ctx context.Context, keys *credentials, kubeconfig, server string) error {
	controllers := "namespace-controller,garbage-collector-controller,serviceaccount-controller," +
		"root-ca-certificate-publisher-controller,deployment-controller,replicaset-controller"
	if s.node != nil {
		controllers = "*"
	}
	kcm, err := s.run("kcm",
		"--kubeconfig="+kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		"--profiling=false",
		"--service-account-private-key-file="+keys.path("sa.key"),
		"--root-ca-file="+keys.path("ca.crt"),
		"--controllers="+controllers,
	)
	if err != nil {
		return err
	}
	// This object is the work of a controller: once it is there, they work.
	if err := s.waitFor(ctx, kcm, keys, server+"/api/v1/namespaces/default/serviceaccounts/default"); err != nil {
		return err
	}
	s.watch(kcm)
	return nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("no free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// stop kills: the data goes too, so nothing needs to be saved.
func (s *servers) stop() {
	s.mu.Lock()
	s.stopped = true
	children := s.children
	s.mu.Unlock()
	for _, c := range children {
		_ = c.command.Process.Kill()
	}
	for _, c := range children {
		<-c.ended
	}
	if s.node != nil {
		s.node.end()
	}
	_ = os.RemoveAll(s.data)
}
