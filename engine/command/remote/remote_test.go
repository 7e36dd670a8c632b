package remote

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// TestMain keeps the developer's own SSH agent out of the tests.
func TestMain(m *testing.M) {
	os.Unsetenv("SSH_AUTH_SOCK")
	os.Exit(m.Run())
}

// sh runs a command over a connection with nothing else set.
func sh(ctx context.Context, c Connection, command string) (BaseOutputs, error) {
	return CommandInputs{Connection: c}.run(ctx, command, BaseOutputs{})
}

func wantStdout(t *testing.T, out BaseOutputs, err error, want string) {
	t.Helper()
	must(t, err)
	if out.Stdout != want {
		t.Fatalf("stdout is %q, want %q", out.Stdout, want)
	}
}

// wantError checks what an error says, and what it must not say.
func wantError(t *testing.T, err error, says []string, never ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is missing in: %v", text, err)
		}
	}
	for _, text := range never {
		if strings.Contains(err.Error(), text) {
			t.Errorf("%q must not be in: %v", text, err)
		}
	}
}

func TestCommandSeesStdinAndEnvironment(t *testing.T) {
	c := startServer(t).connection(t)
	in := CommandInputs{
		Connection: c, Stdin: ptr("one\ntwo\n"), Environment: &map[string]string{"RACK_NAME": "r 1"},
	}
	out, err := in.run(t.Context(), `cat; echo "$RACK_NAME/$PULUMI_COMMAND_STDOUT"; echo warn >&2`, BaseOutputs{Stdout: "before"})
	wantStdout(t, out, err, "one\ntwo\nr 1/before")
	if out.Stderr != "warn" {
		t.Errorf("stderr is %q", out.Stderr)
	}
	in.AddPreviousOutputInEnv = ptr(false)
	out, err = in.run(t.Context(), `echo "[$PULUMI_COMMAND_STDOUT]"`, BaseOutputs{Stdout: "before"})
	wantStdout(t, out, err, "[]")
}

func TestCommandMayLeaveStdinUnread(t *testing.T) {
	c := startServer(t).connection(t)
	in := CommandInputs{Connection: c, Stdin: ptr(strings.Repeat("x", 8<<20))} // more than a channel's window
	out, err := in.run(t.Context(), "echo done", BaseOutputs{})
	wantStdout(t, out, err, "done")
}

func TestRefusedEnvironmentNamesAcceptEnv(t *testing.T) {
	c := startServer(t).connection(t)
	in := CommandInputs{Connection: c, Environment: &map[string]string{"OTHER": "s3cret-value"}}
	_, err := in.run(t.Context(), "true", BaseOutputs{})
	wantError(t, err, []string{"OTHER", "AcceptEnv", "127.0.0.1"}, "s3cret-value")
}

func TestFailureSaysWhatAndNeverStdin(t *testing.T) {
	c := startServer(t).connection(t)
	in := CommandInputs{Connection: c, Stdin: ptr("password: hunter2\n")}
	command := "cat >&2\nfor i in $(seq 1 50); do echo reason-$i >&2; done\ncat >&2\nexit 3"
	_, err := in.run(t.Context(), command, BaseOutputs{})
	wantError(t, err, []string{"exit status 3", "cat >&2", "reason-50", "127.0.0.1"}, "hunter2", "reason-1\n", "exit 3\n")

	_, err = in.run(t.Context(), "cat >&2; exit 4", BaseOutputs{})
	wantError(t, err, []string{"exit status 4", "[stdin]"}, "hunter2")
	_, err = sh(t.Context(), c, "echo on stdout; exit 5")
	wantError(t, err, []string{"exit status 5", "last lines of its stdout", "on stdout"})
	_, err = sh(t.Context(), c, "kill -9 $$")
	wantError(t, err, []string{"SIGKILL"})
}

func TestLogging(t *testing.T) {
	c := startServer(t).connection(t)
	for logging, want := range map[Logging][2]bool{
		"stdout": {true, false}, "stderr": {false, true}, "stdoutAndStderr": {true, true}, "none": {false, false},
	} {
		log := captureLog(t)
		in := CommandInputs{Connection: c, Logging: &logging, Stdin: ptr("hunter2")}
		_, err := in.run(t.Context(), "echo to-out; echo to-err >&2; printf 'got '; cat", BaseOutputs{})
		must(t, err)
		if got := [2]bool{strings.Contains(log.String(), "to-out"), strings.Contains(log.String(), "to-err")}; got != want {
			t.Errorf("logging %s: stdout, stderr in the log are %v, want %v", logging, got, want)
		}
		if strings.Contains(log.String(), "hunter2") {
			t.Errorf("logging %s: stdin is in the log", logging)
		}
	}
}

// captureLog catches what goes to the engine's log: outside of the engine, to slog.
func captureLog(t *testing.T) *bytes.Buffer {
	log, before := &bytes.Buffer{}, slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return log
}

func TestWrongHostKeyIsRefusedBeforeAuthentication(t *testing.T) {
	s := startServer(t)
	c := s.connection(t)
	c.HostKey, c.DialErrorLimit = ptr(public(t, newKey(t))), ptr(-1) // without limit: it must not be tried again
	_, err := sh(t.Context(), c, "true")
	wantError(t, err, []string{"host key", "SHA256:", "127.0.0.1"})
	if s.log.contains("userauth-request") {
		t.Error("the client authenticated to a host with the wrong key")
	}
	_, err = sh(t.Context(), s.connection(t), "true")
	must(t, err)
	if !s.log.contains("userauth-request") {
		t.Error("sshd's log does not show authentication at all: the check above proves nothing")
	}
}

func TestPinnedKindOfKeyIsAskedFor(t *testing.T) {
	s := startServer(t)
	c := s.connection(t)
	c.HostKey = nil // whatever the server prefers
	_, err := sh(t.Context(), c, "true")
	must(t, err)
	for _, algorithm := range []string{ssh.KeyAlgoRSA, ssh.KeyAlgoED25519} {
		c.HostKey = ptr(s.scan(t, algorithm))
		out, err := sh(t.Context(), c, "echo "+algorithm)
		wantStdout(t, out, err, algorithm)
	}
}

// scan asks a server for its key of one kind.
func (s *server) scan(t *testing.T, algorithm string) (line string) {
	config := &ssh.ClientConfig{HostKeyAlgorithms: []string{algorithm}}
	if algorithm == ssh.KeyAlgoRSA {
		config.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA256}
	}
	config.HostKeyCallback = func(_ string, _ net.Addr, found ssh.PublicKey) error {
		line = string(ssh.MarshalAuthorizedKey(found))
		return nil
	}
	ssh.Dial("tcp", s.endpoint(t).address(), config)
	return line
}

func TestKeyWithPassphrase(t *testing.T) {
	s := startServer(t)
	private, err := ssh.ParseRawPrivateKey([]byte(s.ownerKey))
	must(t, err)
	c := s.connection(t)
	c.PrivateKey = ptr(key(*private.(*ed25519.PrivateKey)).private(t, "opensesame"))
	_, err = sh(t.Context(), c, "true")
	wantError(t, err, []string{"privateKey", "passphrase"})
	c.PrivateKeyPassword = ptr("opensesame")
	out, err := sh(t.Context(), c, "echo in")
	wantStdout(t, out, err, "in")
}

func TestAgent(t *testing.T) {
	s := startServer(t)
	c := s.connection(t)
	private, err := ssh.ParseRawPrivateKey([]byte(s.ownerKey))
	must(t, err)
	c.PrivateKey = nil
	_, err = sh(t.Context(), c, "true")
	wantError(t, err, []string{"unable to authenticate"})

	ring := agent.NewKeyring()
	must(t, ring.Add(agent.AddedKey{PrivateKey: private}))
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	must(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, conn)
		}
	}()
	c.AgentSocketPath = &socket
	out, err := sh(t.Context(), c, "echo in")
	wantStdout(t, out, err, "in")
}

func unless(right bool) error {
	if right {
		return nil
	}
	return errors.New("wrong password")
}

// Not OpenSSH: its passwords are the machine's own accounts'.
func TestPassword(t *testing.T) {
	for _, config := range []*ssh.ServerConfig{
		{PasswordCallback: func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
			return nil, unless(string(given) == "hunter2")
		}},
		{KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			given, err := ask("", "", []string{"Password: "}, []bool{false})
			return nil, unless(err == nil && given[0] == "hunter2")
		}},
	} {
		c := startFake(t, config, func(conn net.Conn, config *ssh.ServerConfig) { ssh.NewServerConn(conn, config) })
		c.Password = ptr("hunter2")
		client, err := c.dial(t.Context())
		must(t, err)
		client.Close()
		c.Password = ptr("wrong-password")
		_, err = c.dial(t.Context())
		wantError(t, err, []string{"unable to authenticate"}, "wrong-password")
	}
}

func TestProxy(t *testing.T) {
	proxy, target := startServer(t), startServer(t)
	c := target.connection(t)
	c.Proxy = &ProxyConnection{proxy.endpoint(t)}
	out, err := sh(t.Context(), c, "echo through")
	wantStdout(t, out, err, "through")
	if !proxy.log.contains("direct-tcpip") {
		t.Error("the proxy passed nothing on")
	}

	c.Proxy.HostKey = ptr(public(t, newKey(t)))
	_, err = sh(t.Context(), c, "true")
	wantError(t, err, []string{"proxy", "host key"})
	c.Proxy.HostKey, c.HostKey = &proxy.hostKey, ptr(public(t, newKey(t)))
	_, err = sh(t.Context(), c, "true")
	wantError(t, err, []string{"host key"})
}

func TestRetryUntilTheServerIsThere(t *testing.T) {
	s := startServer(t)
	for _, test := range []struct {
		limit, refused int
		says           string
	}{{limit: 3, refused: 3}, {limit: -1, refused: 3}, {limit: 2, refused: 3, says: "after 3 attempts"}} {
		r := startRelay(t, func() int { return s.port }, test.refused)
		c := s.connection(t)
		c.Port, c.DialErrorLimit = ptr(float64(r.port)), &test.limit
		out, err := sh(t.Context(), c, "echo up")
		if test.says != "" {
			wantError(t, err, []string{test.says})
			continue
		}
		wantStdout(t, out, err, "up")
		if r.count() != test.refused+1 {
			t.Errorf("limit %d: %d attempts, want %d", test.limit, r.count(), test.refused+1)
		}
	}
}

func TestSilentServerRunsIntoPerDialTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // connections succeed, nobody speaks
	must(t, err)
	defer listener.Close()
	c := Connection{Endpoint: Endpoint{
		Host: "127.0.0.1", Port: ptr(float64(listener.Addr().(*net.TCPAddr).Port)),
		DialErrorLimit: ptr(0), PerDialTimeout: ptr(1),
	}}
	start := time.Now()
	_, err = sh(t.Context(), c, "true")
	wantError(t, err, []string{"after 1 attempts", "deadline exceeded"})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// started is a command that tells the test when it runs: the test's read of the pipe ends then.
func started(t *testing.T) (command string, wait func() string) {
	pipe := filepath.Join(t.TempDir(), "started")
	must(t, syscall.Mkfifo(pipe, 0o600))
	return "echo $$ > " + pipe + "; exec sleep 60", func() string {
		pid, err := os.ReadFile(pipe)
		must(t, err)
		return strings.TrimSpace(string(pid))
	}
}

func TestCancelAndTimeLimit(t *testing.T) {
	c := startServer(t).connection(t)
	command, wait := started(t)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := sh(ctx, c, command)
		failed <- err
	}()
	wait()
	cancel()
	wantError(t, <-failed, []string{"cancelled", "127.0.0.1"})

	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := sh(ctx, c, "sleep 60")
	wantError(t, err, []string{"time limit (customTimeouts)", "127.0.0.1"})
}

// Not OpenSSH: it does not pass signals on to commands of root, which this test may run as.
func TestCancelSendsTermAndCloses(t *testing.T) {
	requests := make(chan string, 10)
	c := startFake(t, &ssh.ServerConfig{NoClientAuth: true}, func(conn net.Conn, config *ssh.ServerConfig) {
		_, channels, _, err := ssh.NewServerConn(conn, config)
		if err != nil {
			return
		}
		_, session, err := (<-channels).Accept()
		if err != nil {
			return
		}
		for request := range session {
			request.Reply(true, nil)
			requests <- request.Type + string(request.Payload[4:])
		}
		close(requests)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go sh(ctx, c, "sleep 60")
	for _, want := range []string{"execsleep 60", "signalTERM"} {
		if got := <-requests; got != want {
			t.Errorf("the server saw %q, want %q", got, want)
		}
		cancel()
	}
	if extra, open := <-requests; open {
		t.Errorf("the session was not closed, but: %q", extra)
	}
}

// startFake serves connections with an SSH server of the Go library.
func startFake(t *testing.T, config *ssh.ServerConfig, serve func(net.Conn, *ssh.ServerConfig)) Connection {
	signer, err := ssh.ParsePrivateKey([]byte(newKey(t).private(t, "")))
	must(t, err)
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn, config)
		}
	}()
	port := float64(listener.Addr().(*net.TCPAddr).Port)
	return Connection{Endpoint: Endpoint{Host: "127.0.0.1", Port: &port, DialErrorLimit: ptr(0)}}
}

func TestConnectionCutWhileACommandRuns(t *testing.T) {
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
	wantError(t, <-failed, []string{"connection to 127.0.0.1", "lost while it ran"})

	out, err := sh(t.Context(), c, "echo again") // the next command connects anew
	wantStdout(t, out, err, "again")
	if r.count() != 2 {
		t.Errorf("%d connections, want 2", r.count())
	}
}

func TestDeadConnectionIsNoticed(t *testing.T) {
	s := startServer(t)
	r := startRelay(t, func() int { return s.port }, 0)
	c := s.connection(t)
	c.Port = ptr(float64(r.port))
	impatient := newLink(c, 20*time.Millisecond, 500*time.Millisecond)
	command, wait := started(t)
	failed := make(chan error)
	go func() {
		failed <- impatient.with(t.Context(), func(client *ssh.Client) error {
			_, err := CommandInputs{Connection: c}.runOver(t.Context(), client, command, BaseOutputs{})
			return err
		})
	}()
	wait()
	close(r.frozen) // as with a host that lost its power: no end of the connection is ever seen
	select {
	case err := <-failed:
		wantError(t, err, []string{"connection to 127.0.0.1", "lost while it ran"})
	case <-time.After(30 * time.Second):
		t.Fatal("nothing noticed it")
	}
}

func TestCommandsShareAConnectionBelowMaxSessions(t *testing.T) {
	s := startServer(t)
	r := startRelay(t, func() int { return s.port }, 0)
	c := s.connection(t)
	c.Port = ptr(float64(r.port))
	folder := t.TempDir()
	var group sync.WaitGroup
	var mu sync.Mutex
	most := 0
	for range 3 * maxSessions {
		group.Go(func() {
			out, err := sh(t.Context(), c, "mkdir "+folder+"/$$; ls "+folder+"; sleep 0.1; rmdir "+folder+"/$$")
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			most = max(most, len(strings.Fields(out.Stdout)))
		})
	}
	group.Wait()
	if r.count() != 1 {
		t.Errorf("%d connections, want 1", r.count())
	}
	if most < 2 || most > maxSessions {
		t.Errorf("%d commands at a time, want 2 to %d", most, maxSessions)
	}
}

func TestCopyToRemote(t *testing.T) {
	c := startServer(t).connection(t)
	local, remote := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(local, "tree/sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(local, "tree/sub/leaf"), []byte("leaf"), 0o644))
	for _, test := range []struct {
		source types.AssetOrArchive
		target string
		lands  string
		text   string
	}{
		{file(t, local+"/tree/sub/leaf"), "new", "new", "leaf"},
		{file(t, local+"/tree/sub/leaf"), ".", "leaf", "leaf"},
		{folder(t, local+"/tree"), "there", "there/tree/sub/leaf", "leaf"},
		{folder(t, local+"/tree/"), "there", "there/sub/leaf", "leaf"},
		{text(t, "two\nlines"), "new", "new", "two\nlines"},
	} {
		in := CopyToRemoteInputs{Connection: c, Source: test.source, RemotePath: filepath.Join(remote, test.target)}
		_, err := CopyToRemote{}.Create(t.Context(), infer.CreateRequest[CopyToRemoteInputs]{Name: "copy", Inputs: in})
		must(t, err)
		found, err := os.ReadFile(filepath.Join(remote, test.lands))
		must(t, err)
		if string(found) != test.text {
			t.Errorf("%s holds %q, want %q", test.lands, found, test.text)
		}
	}
	in := CopyToRemoteInputs{Connection: c, Source: folder(t, local+"/tree"), RemotePath: remote + "/new"}
	_, err := CopyToRemote{}.Create(t.Context(), infer.CreateRequest[CopyToRemoteInputs]{Name: "copy", Inputs: in})
	wantError(t, err, []string{remote + "/new", "127.0.0.1"})
}

func TestCopyToRemoteCopiesAgainOnlyWhatChanged(t *testing.T) {
	c := startServer(t).connection(t)
	target := filepath.Join(t.TempDir(), "target")
	old := CopyToRemoteInputs{Connection: c, Source: text(t, "old"), RemotePath: target}
	same, changed := old, old
	same.Connection.PerDialTimeout, changed.Source = ptr(30), text(t, "new")
	update := func(in CopyToRemoteInputs) {
		_, err := CopyToRemote{}.Update(t.Context(), infer.UpdateRequest[CopyToRemoteInputs, CopyToRemoteInputs]{State: old, Inputs: in})
		must(t, err)
	}
	update(same)
	if _, err := os.Stat(target); err == nil {
		t.Error("a changed connection alone copied")
	}
	update(changed)
	if found, _ := os.ReadFile(target); string(found) != "new" {
		t.Errorf("the changed content is not there: %q", found)
	}
}

func file(t *testing.T, path string) types.AssetOrArchive {
	asset, err := resource.NewPathAsset(path)
	must(t, err)
	return types.AssetOrArchive{Asset: asset}
}

func text(t *testing.T, text string) types.AssetOrArchive {
	asset, err := resource.NewTextAsset(text)
	must(t, err)
	return types.AssetOrArchive{Asset: asset}
}

func folder(t *testing.T, path string) types.AssetOrArchive {
	archive, err := resource.NewPathArchive(path)
	must(t, err)
	return types.AssetOrArchive{Archive: archive}
}
