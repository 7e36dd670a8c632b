package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"rack/engine/command/shell"
)

// grace is how long a cancelled command has between SIGTERM and SIGKILL.
const grace = 5 * time.Second

// run executes the command and fills the outputs; previous is what the command before it printed.
//
// It fails where the command cannot be started, ends with a status other than 0, or outlives its time limit.
func (in BaseInputs) run(ctx context.Context, command string, previous BaseOutputs) (out BaseOutputs, err error) {
	argv := append(in.interpreter(), command)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = in.dir()
	cmd.Env = append(os.Environ(), in.environment(previous)...)
	stdin := ""
	if in.Stdin != nil {
		stdin = *in.Stdin
	}
	stdout, stderr := shell.Streams(ctx, in.Logging, stdin)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), stdout, stderr
	// A process group, so that what the command started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace

	err = cmd.Run()
	out.Stdout, out.Stderr = stdout.Text(), stderr.Text()
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		return out, shell.Failure(err, command, stdin, out.Stdout, out.Stderr)
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
	if in.AddPreviousOutputInEnv == nil || *in.AddPreviousOutputInEnv {
		for name, value := range map[string]string{
			shell.PreviousStdout: previous.Stdout, shell.PreviousStderr: previous.Stderr,
		} {
			if value != "" {
				env = append(env, name+"="+value)
			}
		}
	}
	if in.Environment != nil {
		for name, value := range *in.Environment {
			env = append(env, fmt.Sprintf("%s=%s", name, value))
		}
	}
	return env
}
