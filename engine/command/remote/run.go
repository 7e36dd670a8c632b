package remote

import (
	"context"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"

	"rack/engine/command/shell"
)

// run executes the command on the host; previous holds the outputs of the previous command.
//
// Nothing ends a running command: neither a timeout (customTimeouts) nor Ctrl-C reaches it.
func (in CommandInputs) run(ctx context.Context, command string, previous BaseOutputs) (BaseOutputs, error) {
	client, err := in.Connection.dial(ctx)
	if err != nil {
		return previous, err
	}
	session, err := client.NewSession()
	if err != nil {
		return previous, err
	}
	defer session.Close()
	if err := in.setEnvironment(ctx, session, previous); err != nil {
		return previous, err
	}
	if stdin := or(in.Stdin, ""); stdin != "" {
		session.Stdin = strings.NewReader(stdin)
	}
	capture := shell.NewCapture(ctx, in.Logging)
	session.Stdout, session.Stderr = capture.Stdout, capture.Stderr
	err = session.Run(command)
	stdout, stderr, err := capture.Finish(err, command)
	if err != nil {
		return previous, err
	}
	return BaseOutputs{Stdout: stdout, Stderr: stderr}, nil
}

// setEnvironment sends the variables. sshd rejects variables that its AcceptEnv does not list. That is an error for the
// program's own variables, and a warning for the previous output, which is always sent.
func (in CommandInputs) setEnvironment(ctx context.Context, session *ssh.Session, previous BaseOutputs) error {
	const advice = "Unable to set '%s'. sshd accepts only the variables that its AcceptEnv lists."
	if in.Environment != nil {
		for name, value := range *in.Environment {
			if err := session.Setenv(name, value); err != nil {
				p.GetLogger(ctx).Errorf(advice, name)
				return fmt.Errorf("could not set environment variable %q: %w", name, err)
			}
		}
	}
	if !or(in.AddPreviousOutputInEnv, true) {
		return nil
	}
	for name, value := range map[string]string{
		shell.PreviousStdout: previous.Stdout, shell.PreviousStderr: previous.Stderr,
	} {
		if value != "" && session.Setenv(name, value) != nil {
			p.GetLogger(ctx).Warningf(advice, name)
		}
	}
	return nil
}
