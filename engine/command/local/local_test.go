package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func ptr[T any](value T) *T { return &value }

func TestRunSeesItsInputs(t *testing.T) {
	in := BaseInputs{
		Dir: ptr(t.TempDir()), Stdin: ptr("in"), Environment: &map[string]string{"NAME": "n 1"},
		Interpreter: &[]string{"/bin/sh", "-e", "-c"},
	}
	out, err := in.run(t.Context(), `cat; echo " $NAME $PULUMI_COMMAND_STDOUT $PWD"; echo warn >&2`, BaseOutputs{Stdout: "before"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "in n 1 before " + *in.Dir; out.Stdout != want || out.Stderr != "warn" {
		t.Errorf("printed %q and %q, want %q and warn", out.Stdout, out.Stderr, want)
	}
}

func TestFailureNeverShowsStdin(t *testing.T) {
	in := BaseInputs{Stdin: ptr("hunter2")}
	_, err := in.run(t.Context(), "cat >&2; echo no space >&2; exit 7", BaseOutputs{})
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "no space") {
		t.Errorf("the error does not say what happened: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows stdin: %v", err)
	}
}

func TestCancelEndsTheCommandAndItsChildren(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "child")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		// The child holds the pipe open: the read below sees its end when the child is gone.
		_, err := BaseInputs{}.run(ctx, "sh -c 'exec 3> "+pipe+"; echo up >&3; sleep 60' & wait", BaseOutputs{})
		failed <- err
	}()
	child, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	if _, err := child.Read(make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	gone := make(chan struct{})
	go func() {
		for buffer := make([]byte, 8); ; {
			if n, err := child.Read(buffer); n == 0 || err != nil {
				close(gone)
				return
			}
		}
	}()
	select {
	case <-gone:
	case <-time.After(2 * grace):
		t.Error("the child outlived its command")
	}
}
