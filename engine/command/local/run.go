package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"rack/engine/command/shell"
)

// run executes the command and returns its outputs; previous holds the outputs of the previous command.
//
// It fails if the command cannot be started, exits with a status other than 0, or ctx ends. When ctx ends, the command
// is killed, but not the processes that it started.
func (in BaseInputs) run(ctx context.Context, command string, previous BaseOutputs) (out BaseOutputs, err error) {
	argv := append(in.interpreter(), command)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = in.dir()
	cmd.Env = append(os.Environ(), in.environment(previous)...)
	if in.Stdin != nil && *in.Stdin != "" {
		cmd.Stdin = strings.NewReader(*in.Stdin)
	}
	capture := shell.NewCapture(ctx, in.Logging)
	cmd.Stdout, cmd.Stderr = capture.Stdout, capture.Stderr
	out.Stdout, out.Stderr, err = capture.Finish(cmd.Run(), command)
	if err != nil {
		return previous, err
	}
	return out, in.collect(&out)
}

func (in BaseInputs) interpreter() []string {
	if in.Interpreter != nil && len(*in.Interpreter) > 0 {
		return append([]string{}, *in.Interpreter...)
	}
	return []string{"/bin/sh", "-c"}
}

func (in BaseInputs) dir() string {
	if in.Dir != nil {
		return *in.Dir
	}
	return "."
}

func (in BaseInputs) environment(previous BaseOutputs) (env []string) {
	if in.Environment != nil {
		for name, value := range *in.Environment {
			env = append(env, fmt.Sprintf("%s=%s", name, value))
		}
	}
	if in.AddPreviousOutputInEnv != nil && !*in.AddPreviousOutputInEnv {
		return env
	}
	for name, value := range map[string]string{
		shell.PreviousStdout: previous.Stdout, shell.PreviousStderr: previous.Stderr,
	} {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}
