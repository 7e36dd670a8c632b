package remote

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// These tests pin undesirable behaviour of pulumi-command 1.2.1. docs/command-plugin.md lists each with its source and
// with how the program avoids it.

func TestEmptyAgentSocketPathIsAPath(t *testing.T) {
	c := startServer(t).connection(t)
	c.AgentSocketPath = ptr("")
	_, err := sh(t.Context(), c, "true")
	wantError(t, err, []string{"dial unix", "missing address"})
}

func TestDeadAgentFailsEveryCommand(t *testing.T) {
	c := startServer(t).connection(t)
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "gone"))
	_, err := sh(t.Context(), c, "true")
	wantError(t, err, []string{"dial unix", "no such file"})
	t.Setenv("SSH_AUTH_SOCK", "")
	out, err := sh(t.Context(), c, "echo in")
	wantStdout(t, out, err, "in")
}

func TestRsaHostKeyIsOfferedAsSshRsaAlone(t *testing.T) {
	s := startServer(t)
	c := s.connection(t)
	c.HostKey = ptr(s.scan(t, ssh.KeyAlgoED25519))
	out, err := sh(t.Context(), c, "echo in")
	wantStdout(t, out, err, "in")
	c.HostKey = ptr(s.scan(t, ssh.KeyAlgoRSA))
	_, err = sh(t.Context(), c, "true")
	wantError(t, err, []string{"no common algorithm for host key", "ssh-rsa"})
}

// The reason of a rejection is shown only after all attempts have failed.
func TestWrongHostKeyAndWrongKeyAreRetried(t *testing.T) {
	s := startServer(t)
	for says, change := range map[string]func(*Connection){
		"host key mismatch":      func(c *Connection) { c.HostKey = ptr(public(t, newKey(t))) },
		"unable to authenticate": func(c *Connection) { c.PrivateKey = ptr(newKey(t).private(t, "")) },
	} {
		r := startRelay(t, func() int { return s.port }, 0)
		c := s.connection(t)
		c.Port, c.DialErrorLimit = ptr(float64(r.port)), ptr(2)
		change(&c)
		log := captureLog(t)
		_, err := sh(t.Context(), c, "true")
		wantError(t, err, []string{"after 2 failed attempts", says})
		if r.count() != 3 {
			t.Errorf("%s: %d attempts, want 3", says, r.count())
		}
		if !strings.Contains(log.String(), "Dial 2/2 failed: retrying") || strings.Contains(log.String(), says) {
			t.Errorf("%s: the log is %s", says, log)
		}
	}
}

func TestCancelEndsDialling(t *testing.T) {
	s := startServer(t)
	c := s.connection(t)
	c.Port, c.DialErrorLimit = ptr(float64(freePort(t))), ptr(-1)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := sh(ctx, c, "true")
	wantError(t, err, []string{"context deadline exceeded"})
}

// A cancelled context (Ctrl-C, customTimeouts) does not reach a running command.
func TestNothingEndsARunningCommand(t *testing.T) {
	c := startServer(t).connection(t)
	goOn := filepath.Join(t.TempDir(), "go-on")
	command, wait := started(t)
	command = strings.Replace(command, "exec sleep 60", "until [ -e "+goOn+" ]; do sleep 0.05; done; echo finished", 1)
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		out BaseOutputs
		err error
	}
	ended := make(chan result, 1)
	go func() {
		out, err := sh(ctx, c, command)
		ended <- result{out, err}
	}()
	wait()
	cancel()
	_, err := sh(t.Context(), c, "touch "+goOn)
	must(t, err)
	r := <-ended
	wantStdout(t, r.out, r.err, "finished")
}

func TestEveryCommandDialsAndItsConnectionStaysOpen(t *testing.T) {
	s := startServer(t)
	r := startRelay(t, func() int { return s.port }, 0)
	c := s.connection(t)
	c.Port = ptr(float64(r.port))
	for range 3 {
		_, err := sh(t.Context(), c, "true")
		must(t, err)
	}
	if r.count() != 3 {
		t.Errorf("%d connections, want 3", r.count())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.open {
		if _, err := conn.Write(nil); err != nil {
			t.Errorf("a connection is closed: %v", err)
		}
	}
}

// The program's own steps print no such line: their logging is off, or a job's follower truncates it.
func TestLoggedLineOver64KiBHangs(t *testing.T) {
	c := startServer(t).connection(t)
	long := "head -c 70000 /dev/zero | tr '\\0' x; echo; echo after"
	quiet := CommandInputs{Connection: c, Logging: ptr(Logging("none"))}
	out, err := quiet.run(t.Context(), long, BaseOutputs{})
	must(t, err)
	if len(out.Stdout) != 70000+len("\nafter") {
		t.Errorf("without logging stdout has %d bytes", len(out.Stdout))
	}
	over := filepath.Join(t.TempDir(), "over")
	ended := make(chan error, 1)
	go func() {
		_, err := sh(t.Context(), c, long+"; : > "+over)
		ended <- err
	}()
	_, err = sh(t.Context(), c, "until [ -e "+over+" ]; do sleep 0.05; done") // the command itself ends
	must(t, err)
	select {
	case err := <-ended:
		t.Fatalf("it returned: %v", err)
	case <-time.After(time.Second):
	}
}

func TestUnreadStdinIsAnError(t *testing.T) {
	c := startServer(t).connection(t)
	in := CommandInputs{Connection: c, Stdin: ptr(strings.Repeat("x", 8<<20))} // more than a channel's window
	_, err := in.run(t.Context(), "echo done", BaseOutputs{})
	wantError(t, err, []string{"EOF: running", "done"})
}

func TestErrorHoldsTheWholeCommandAndAllOutput(t *testing.T) {
	c := startServer(t).connection(t)
	in := CommandInputs{Connection: c, Stdin: ptr("hunter2"), Logging: ptr(Logging("none"))}
	command := "cat >&2\nfor i in $(seq 1 90); do echo line-$i; done\nexit 3"
	_, err := in.run(t.Context(), command, BaseOutputs{})
	wantError(t, err, []string{"Process exited with status 3", `exit 3"`, "line-1\n", "line-90", "hunter2"})
}

func TestRefusedEnvironment(t *testing.T) {
	c := startServer(t).connection(t)
	in := CommandInputs{Connection: c, Environment: &map[string]string{"OTHER": "s3cret-value"}}
	_, err := in.run(t.Context(), "true", BaseOutputs{})
	wantError(t, err, []string{"OTHER"}, "s3cret-value")

	strict := startServer(t, "AcceptEnv RACK_*")
	log := captureLog(t)
	out, err := CommandInputs{Connection: strict.connection(t)}.run(
		t.Context(), `echo "[$PULUMI_COMMAND_STDOUT]"`, BaseOutputs{Stdout: "before"})
	wantStdout(t, out, err, "[]")
	if !strings.Contains(log.String(), "Unable to set 'PULUMI_COMMAND_STDOUT'") {
		t.Errorf("no warning: %s", log)
	}
}

// perDialTimeout limits the TCP connection only: a server that accepts and never answers is waited for.
func TestSilentServerIsWaitedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var open sync.Map
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Store(conn, nil)
		}
	}()
	port := float64(listener.Addr().(*net.TCPAddr).Port)
	c := Connection{Endpoint: Endpoint{Host: "127.0.0.1", Port: &port, DialErrorLimit: ptr(0), PerDialTimeout: ptr(1)}}
	failed := make(chan error, 1)
	go func() {
		_, err := sh(t.Context(), c, "true")
		failed <- err
	}()
	select {
	case err := <-failed:
		t.Fatalf("it ended: %v", err)
	case <-time.After(2 * time.Second): // twice the limit
	}
	listener.Close()
	open.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
	wantError(t, <-failed, []string{"handshake failed"})
}

func TestLostConnectionIsAnError(t *testing.T) {
	s := startServer(t)
	r := startRelay(t, func() int { return s.port }, 0)
	c := s.connection(t)
	c.Port = ptr(float64(r.port))
	command, wait := started(t)
	failed := make(chan error)
	go func() {
		_, err := sh(t.Context(), c, command)
		failed <- err
	}()
	wait()
	r.cut()
	wantError(t, <-failed, []string{"exited without exit status"})
}
