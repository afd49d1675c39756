package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// One server in a process of its own.
type child struct {
	name    string
	log     string
	command *exec.Cmd
	ended   chan struct{}
	err     error          // set when ended is closed
	leash   io.WriteCloser // the child ends when this is closed, also by our own death
}

func (s *servers) run(name string, arguments ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return s.runProgram(self, name, arguments...)
}

// runProgram runs a program of ours, whose first argument chooses a server and which ends with us.
func (s *servers) runProgram(program, name string, arguments ...string) (*child, error) {
	return s.runCommand(name, exec.Command(program, append([]string{name}, arguments...)...))
}

func (s *servers) runCommand(name string, command *exec.Cmd) (*child, error) {
	c := &child{name: name, command: command, log: filepath.Join(s.logs, name+".log"), ended: make(chan struct{})}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.command.Stdout, c.command.Stderr = log, log
	c.command.Dir = s.data
	if c.leash, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, errors.New("the control plane is being stopped")
	}
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	s.children = append(s.children, c)
	go func() {
		c.err = c.command.Wait()
		close(c.ended)
	}()
	return c, nil
}

// A child's first act: end when the supervisor does. The pipe is closed by the kernel, so a killed
// supervisor leaves nothing either.
func endWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}

// watch reports a child that ends although nobody asked it to.
func (s *servers) watch(c *child) {
	go func() {
		<-c.ended
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.stopped {
			s.died <- c.failure()
		}
	}()
}

func (c *child) failure() error {
	return fmt.Errorf("%s ended: %v; the end of its log:\n%s", c.name, c.err, c.tail())
}

func (c *child) tail() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

const startTimeout = 3 * time.Minute

// waitFor asks until the answer is 200, the child is gone or time is up.
func (s *servers) waitFor(ctx context.Context, c *child, keys *credentials, address string) error {
	return s.waitUntil(ctx, c, keys, address, func([]byte) bool { return true })
}

// waitUntil asks until the answer is 200 and as expected.
func (s *servers) waitUntil(
	ctx context.Context, c *child, keys *credentials, address string, expected func([]byte) bool,
) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(keys.ca)
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
	}
	deadline := time.After(startTimeout)
	last := errors.New("not asked yet")
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+keys.token)
		response, err := client.Do(request)
		if err != nil {
			last = err
		} else {
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode == http.StatusOK && expected(body) {
				return nil
			}
			last = fmt.Errorf("%s: %s", response.Status, body)
		}
		select {
		case <-c.ended:
			return c.failure()
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("%s did not answer within %s: %v; the end of the log of %s:\n%s", address, startTimeout, last, c.name, c.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
