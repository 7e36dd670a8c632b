package local

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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

func TestErrorHoldsTheWholeCommandAndAllOutput(t *testing.T) {
	in := BaseInputs{Stdin: ptr("hunter2")}
	_, err := in.run(t.Context(), "cat >&2; echo no space; exit 7", BaseOutputs{})
	for _, text := range []string{"exit status 7", `exit 7"`, "no space", "hunter2"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is missing in: %v", text, err)
		}
	}
}

// The command is killed; the processes that it started survive.
func TestCancelKillsTheCommandAlone(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "child")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := BaseInputs{}.run(
			ctx, "(exec >/dev/null 2>&1; exec 3> "+pipe+"; echo up >&3; until [ -e "+pipe+".end ]; do sleep 0.05; done) & wait",
			BaseOutputs{})
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
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the error is %v", err)
	}
	if err := os.WriteFile(pipe+".end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(child); err != nil { // ends when the child does
		t.Errorf("%v after %q", err, rest)
	}
}
