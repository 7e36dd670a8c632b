// Package shell holds what local and remote commands have in common.
package shell

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Names of the environment variables that contain the previous command's output.
const (
	PreviousStdout = "PULUMI_COMMAND_STDOUT"
	PreviousStderr = "PULUMI_COMMAND_STDERR"
)

// Capture records the output of a command and logs it line by line.
//
// As in pulumi-command, a logged line of more than bufio.MaxScanTokenSize bytes (64 KiB) ends the logging, but not the
// command: nothing reads the pipe any more, so the command's next write or its end blocks forever.
type Capture struct {
	Stdout, Stderr io.Writer

	stdout, stderr, both bytes.Buffer
	pipe                 *io.PipeWriter
	logged               chan struct{}
}

// NewCapture returns the recorder of one command. logging selects the streams that the engine's log shows: "stdout",
// "stderr", "none"; nil or "stdoutAndStderr" selects both.
func NewCapture[T ~string](ctx context.Context, logging *T) *Capture {
	reader, writer := io.Pipe()
	c := &Capture{pipe: writer, logged: make(chan struct{})}
	show := "stdoutAndStderr"
	if logging != nil {
		show = string(*logging)
	}
	lock := &sync.Mutex{}
	record := func(own *bytes.Buffer, stream string) io.Writer {
		writers := []io.Writer{own, &locked{lock, &c.both}}
		if show == stream || show == "stdoutAndStderr" {
			writers = append(writers, writer)
		}
		return io.MultiWriter(writers...)
	}
	c.Stdout, c.Stderr = record(&c.stdout, "stdout"), record(&c.stderr, "stderr")
	go func() {
		defer close(c.logged)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			p.GetLogger(ctx).InfoStatus(lines.Text())
		}
	}()
	return c
}

// Finish waits for the log and returns both streams, each without one trailing newline. If the command failed, the
// error contains the whole command and all of its output, independent of logging.
func (c *Capture) Finish(failure error, command string) (stdout, stderr string, err error) {
	c.pipe.Close()
	<-c.logged
	if failure != nil {
		return "", "", fmt.Errorf("%w: running %q:\n%s", failure, command, c.both.String())
	}
	return strings.TrimSuffix(c.stdout.String(), "\n"), strings.TrimSuffix(c.stderr.String(), "\n"), nil
}

// locked is a writer that both streams share.
type locked struct {
	*sync.Mutex
	to io.Writer
}

func (l *locked) Write(text []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.to.Write(text)
}

// LoggingValues are the values of the two enums command:local:Logging and command:remote:Logging.
func LoggingValues[T ~string]() []infer.EnumValue[T] {
	return []infer.EnumValue[T]{
		{Name: "stdout", Value: "stdout", Description: "Show stdout in the log, not stderr"},
		{Name: "stderr", Value: "stderr", Description: "Show stderr in the log, not stdout"},
		{Name: "stdoutAndStderr", Value: "stdoutAndStderr", Description: "Show stdout and stderr in the log"},
		{Name: "none", Value: "none", Description: "Show nothing in the log"},
	}
}

// OnUpdate returns the command of an update: update, else create, else nil.
func OnUpdate(update, create *string) *string {
	if update != nil {
		return update
	}
	return create
}
