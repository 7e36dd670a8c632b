package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"

	"rack/engine/command/shell"
)

// run executes the command on the host; previous is what the command before it printed.
//
// It fails where the host cannot be reached, refuses the environment, the command ends with a status other than 0, the
// connection breaks, or ctx ends (a time limit, Ctrl-C).
func (in CommandInputs) run(ctx context.Context, command string, previous BaseOutputs) (out BaseOutputs, err error) {
	link, err := in.Connection.link()
	if err != nil {
		return out, err
	}
	err = link.with(ctx, func(client *ssh.Client) error {
		out, err = in.runOver(ctx, client, command, previous)
		return err
	})
	return out, err
}

func (in CommandInputs) runOver(
	ctx context.Context, client *ssh.Client, command string, previous BaseOutputs,
) (out BaseOutputs, err error) {
	host := in.Connection.address()
	session, err := client.NewSession()
	if err != nil {
		return out, fmt.Errorf("%s opens no session: %w", host, err)
	}
	if err := in.setEnvironment(ctx, session, previous); err != nil {
		session.Close()
		return out, err
	}
	stdin := or(in.Stdin, "")
	stdout, stderr := shell.Streams(ctx, in.Logging, stdin)
	session.Stdin, session.Stdout, session.Stderr = strings.NewReader(stdin), stdout, stderr
	err = wait(ctx, session, command)
	out = BaseOutputs{Stdout: stdout.Text(), Stderr: stderr.Text()}
	if err != nil {
		return out, shell.Failure(explain(err, host), command, stdin, out.Stdout, out.Stderr)
	}
	return out, nil
}

// wait runs the command to its end, or to the end of ctx: then it is told to terminate, and not waited for, as the
// host may be what does not answer. sshd passes the signal on, except to commands of root (session.c,
// session_signal_req): those go on until they write to the closed session.
func wait(ctx context.Context, session *ssh.Session, command string) error {
	ended := make(chan error, 1)
	go func() { ended <- toEnd(session, command) }()
	select {
	case err := <-ended:
		session.Close()
		return err
	case <-ctx.Done():
		go func() {
			session.Signal(ssh.SIGTERM)
			session.Close()
		}()
		return ctx.Err()
	}
}

func toEnd(session *ssh.Session, command string) error {
	if err := session.Start(command); err != nil {
		return err
	}
	err := session.Wait()
	if err == io.EOF { // status 0 without having read all of stdin; a lost connection is an ExitMissingError
		return nil
	}
	return err
}

// setEnvironment hands over the variables. sshd refuses what its AcceptEnv does not list: an error for those that the
// program asked for, none for the previous output, which is handed over unasked.
func (in CommandInputs) setEnvironment(ctx context.Context, session *ssh.Session, previous BaseOutputs) error {
	if or(in.AddPreviousOutputInEnv, true) {
		for name, value := range map[string]string{
			shell.PreviousStdout: previous.Stdout, shell.PreviousStderr: previous.Stderr,
		} {
			if value == "" {
				continue
			}
			if err := session.Setenv(name, value); err != nil {
				p.GetLogger(ctx).Debugf("%s refuses %s: %v", in.Connection.address(), name, err)
			}
		}
	}
	if in.Environment == nil {
		return nil
	}
	for name, value := range *in.Environment {
		if err := session.Setenv(name, value); err != nil {
			return fmt.Errorf("%s refuses the environment variable %s: list it in AcceptEnv of its sshd_config, "+
				"or hand the value over by stdin (%w)", in.Connection.address(), name, err)
		}
	}
	return nil
}

// explain says in words why a command ended.
func explain(err error, host string) error {
	var exit *ssh.ExitError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("time limit (customTimeouts) on %s: %w", host, err)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("cancelled on %s: %w", host, err)
	case errors.As(err, &exit) && exit.Signal() != "":
		return fmt.Errorf("killed by SIG%s on %s", exit.Signal(), host)
	case errors.As(err, &exit):
		return fmt.Errorf("exit status %d on %s", exit.ExitStatus(), host)
	default:
		return fmt.Errorf("connection to %s lost while it ran: %w", host, err)
	}
}
