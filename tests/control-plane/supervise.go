package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// The supervisor owns one control plane. Its users are connections to a socket: who wants the
// control plane connects, reads one line of JSON (access, or an error), and stays connected for as
// long as it is needed. The kernel closes the connections of killed users too, so the supervisor
// always knows when the last one is gone; some time after that it stops everything and ends.
//
// The folder holds:
//
//	lock     held for the supervisor's life: one folder never has two of them
//	socket   where users connect
//	data/    etcd's data, keys, the kubeconfig
//	log/     one file for each server
func supervise(arguments []string) int {
	flags := flag.NewFlagSet("supervise", flag.ExitOnError)
	dir := flags.String("dir", "", "folder of this control plane (made, and removed at the end)")
	linger := flags.Duration("linger", 15*time.Second, "how long to stay when the last user is gone")
	audit := flags.Bool("audit", false, "have the API server keep an audit log")
	nodeProgram := flags.String("node", "", "have a real node too: the program with the kubelet and the scheduler (needs root)")
	pauseProgram := flags.String("pause", "", "with --node: the program that a pod's sandbox runs")
	patience := flags.Duration("patience", 60*time.Second, "how long to wait for the first user")
	_ = flags.Parse(arguments)
	if *dir == "" {
		fmt.Fprintln(os.Stderr, "supervise: --dir is needed")
		return 2
	}
	if (*nodeProgram == "") != (*pauseProgram == "") {
		fmt.Fprintln(os.Stderr, "supervise: --node and --pause are needed together")
		return 2
	}
	// The servers run in other folders than this one.
	for _, path := range []*string{dir, nodeProgram, pauseProgram} {
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			fmt.Fprintln(os.Stderr, "supervise: "+err.Error())
			return 1
		}
	}
	// A session of its own: Ctrl-C in the terminal of one user must not end what others use.
	// (It fails for the leader of a process group, who does not share the terminal's fate anyway.)
	_, _ = syscall.Setsid()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)

	removeAbandoned(filepath.Dir(*dir), *dir)
	lock, err := lockFolder(*dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "supervise: "+err.Error())
		return 1
	}
	defer lock.Close()
	s := supervisor{
		servers: servers{
			data:  filepath.Join(*dir, "data"),
			logs:  filepath.Join(*dir, "log"),
			audit: *audit,
			died:  make(chan error, 4),
		},
		linger:  *linger,
		signals: signals,
	}
	if *nodeProgram != "" {
		s.servers.node = &node{program: *nodeProgram, pause: *pauseProgram, dir: filepath.Join(s.servers.data, "node")}
	}
	err = s.run(filepath.Join(*dir, "socket"), *patience)
	if err != nil {
		// The logs stay for whoever looks for the reason.
		fmt.Fprintln(os.Stderr, "supervise: "+err.Error())
		return 1
	}
	_ = os.RemoveAll(*dir)
	return 0
}

type supervisor struct {
	servers servers
	linger  time.Duration
	signals <-chan os.Signal
}

func (s *supervisor) run(socket string, patience time.Duration) error {
	// What a killed predecessor left.
	for _, old := range []string{socket, s.servers.data, s.servers.logs} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	for _, folder := range []string{s.servers.data, s.servers.logs} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	arrived, gone := make(chan net.Conn), make(chan net.Conn)
	go accept(listener, arrived)

	ctx, cancel := context.WithCancel(context.Background())
	type outcome struct {
		access *access
		err    error
	}
	started := make(chan outcome, 1)
	go func() {
		access, err := s.servers.start(ctx)
		started <- outcome{access, err}
	}()
	// The socket goes first: who comes now finds none, and starts a supervisor of its own, which
	// waits for our lock.
	defer func() {
		_ = listener.Close()
		cancel()
		s.servers.stop()
	}()

	users := map[net.Conn]bool{}
	tell := func(answer any) {
		for user := range users {
			send(user, answer)
		}
	}
	var answer *access
	alone := time.After(patience)
	for {
		select {
		case user := <-arrived:
			users[user] = true
			alone = nil
			if answer != nil {
				send(user, answer)
			}
			go func() {
				_, _ = io.Copy(io.Discard, user) // returns when the user is gone
				gone <- user
			}()
		case user := <-gone:
			_ = user.Close()
			delete(users, user)
			if len(users) == 0 {
				alone = time.After(s.linger)
			}
		case outcome := <-started:
			if outcome.err != nil {
				tell(map[string]string{"error": outcome.err.Error()})
				return outcome.err
			}
			answer = outcome.access
			tell(answer)
		case err := <-s.servers.died:
			tell(map[string]string{"error": err.Error()})
			return err
		case <-s.signals:
			return nil
		case <-alone:
			return nil
		}
	}
}

func accept(listener net.Listener, arrived chan<- net.Conn) {
	for {
		user, err := listener.Accept()
		if err != nil {
			return
		}
		arrived <- user
	}
}

func send(user net.Conn, answer any) {
	line, err := json.Marshal(answer)
	if err != nil {
		panic(err) // plain strings and numbers always marshal
	}
	// A user that does not read must not hold up the others.
	_ = user.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = user.Write(append(line, '\n'))
}
