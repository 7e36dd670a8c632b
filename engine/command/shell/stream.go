// Package shell holds what local and remote commands have in common.
package shell

import (
	"bytes"
	"context"
	"strings"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Names of the environment variables that hand a command what its predecessor printed.
const (
	PreviousStdout = "PULUMI_COMMAND_STDOUT"
	PreviousStderr = "PULUMI_COMMAND_STDERR"
)

// Stream records what a command writes and passes it on, line by line.
//
// It may still be written to after its command was given up (a lost connection), hence the lock.
type Stream struct {
	mu     sync.Mutex
	text   bytes.Buffer
	logged int               // bytes of text that went to the log
	log    func(line string) // nil: not logged
}

// Streams returns the recorders of stdout and stderr. logging says which of them the engine's log shows while the
// command runs: "stdout", "stderr", "none"; nil or "stdoutAndStderr" means both. Lines of stdin are blanked there.
func Streams[T ~string](ctx context.Context, logging *T, stdin string) (stdout, stderr *Stream) {
	stdout, stderr = &Stream{}, &Stream{}
	show := "stdoutAndStderr"
	if logging != nil {
		show = string(*logging)
	}
	secrets, sink := secretLines(stdin), p.GetLogger(ctx)
	log := func(line string) { sink.InfoStatus(blank(line, secrets)) }
	if show == "stdout" || show == "stdoutAndStderr" {
		stdout.log = log
	}
	if show == "stderr" || show == "stdoutAndStderr" {
		stderr.log = log
	}
	return stdout, stderr
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

// Write records text and logs the lines that it completes.
func (s *Stream) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(text)
	if end := bytes.LastIndexByte(s.text.Bytes(), '\n'); end >= s.logged {
		s.logUpTo(end + 1)
	}
	return len(text), nil
}

// Text logs what is left of the last line and returns the whole, less one newline at its end.
func (s *Stream) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logUpTo(s.text.Len())
	return strings.TrimSuffix(s.text.String(), "\n")
}

func (s *Stream) logUpTo(end int) {
	lines := strings.TrimSuffix(string(s.text.Bytes()[s.logged:end]), "\n")
	s.logged = end
	if s.log == nil || lines == "" {
		return
	}
	for _, line := range strings.Split(lines, "\n") {
		s.log(strings.TrimSuffix(line, "\r"))
	}
}

// OnUpdate chooses the command of an update: create runs again where there is no update; nil where there is neither.
func OnUpdate(update, create *string) *string {
	if update != nil {
		return update
	}
	return create
}
