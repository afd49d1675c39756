package main

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockFolder makes the folder if it is missing and waits until no other supervisor holds it.
func lockFolder(dir string) (*os.File, error) {
	for {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		lock, err := tryLock(dir, syscall.LOCK_EX)
		if err != nil || lock != nil {
			return lock, err
		}
	}
}

// tryLock returns nil without an error when the folder was removed by the lock's former holder:
// the lock of a removed file protects nothing.
func tryLock(dir string, how int) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), how); err != nil {
		lock.Close()
		return nil, err
	}
	held, err := lock.Stat()
	if err != nil {
		lock.Close()
		return nil, err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(held, there) {
		lock.Close()
		return nil, nil
	}
	return lock, nil
}

// removeAbandoned removes the folders beside ours that a killed supervisor left: those whose lock
// nobody holds. New ones are let be: their supervisor may not have come to its lock yet.
func removeAbandoned(parent, own string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		dir := filepath.Join(parent, entry.Name())
		info, err := entry.Info()
		if err != nil || !entry.IsDir() || dir == own || time.Since(info.ModTime()) < 10*time.Minute {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "lock")); err != nil {
			continue // not a folder of ours
		}
		if lock, err := tryLock(dir, syscall.LOCK_EX|syscall.LOCK_NB); err == nil && lock != nil {
			_ = os.RemoveAll(dir)
			lock.Close()
		}
	}
}
