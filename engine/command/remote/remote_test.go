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
	"syscall"
	"testing"

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

// sh runs a command over a connection, without other inputs.
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

// wantError checks what an error contains and what it must not contain.
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

func TestLogging(t *testing.T) {
	c := startServer(t).connection(t)
	for logging, want := range map[Logging][2]bool{
		"stdout": {true, false}, "stderr": {false, true}, "stdoutAndStderr": {true, true}, "none": {false, false},
	} {
		log := captureLog(t)
		in := CommandInputs{Connection: c, Logging: &logging}
		_, err := in.run(t.Context(), "echo to-out; echo to-err >&2", BaseOutputs{})
		must(t, err)
		if got := [2]bool{strings.Contains(log.String(), "to-out"), strings.Contains(log.String(), "to-err")}; got != want {
			t.Errorf("logging %s: stdout, stderr in the log are %v, want %v", logging, got, want)
		}
	}
}

// captureLog captures the engine's log, which goes to slog outside the engine.
func captureLog(t *testing.T) *bytes.Buffer {
	log, before := &bytes.Buffer{}, slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return log
}

// scan requests one type of host key from a server.
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
	wantError(t, err, []string{"passphrase"})
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

// Not with OpenSSH: it would check the passwords of the machine's own accounts.
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
		t.Error("the proxy forwarded nothing")
	}

	c.Proxy.HostKey = ptr(public(t, newKey(t)))
	_, err = sh(t.Context(), c, "true")
	wantError(t, err, []string{"proxy", "host key mismatch"})
	c.Proxy.HostKey, c.HostKey = &proxy.hostKey, ptr(public(t, newKey(t)))
	_, err = sh(t.Context(), c, "true")
	wantError(t, err, []string{"host key mismatch"})
}

func TestRetryUntilTheServerIsThere(t *testing.T) {
	s := startServer(t)
	for _, test := range []struct {
		limit, refused int
		says           string
	}{{limit: 3, refused: 3}, {limit: -1, refused: 3}, {limit: 2, refused: 3, says: "after 2 failed attempts"}} {
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

// started returns a command that signals its start: the test's read of the pipe returns then.
func started(t *testing.T) (command string, wait func() string) {
	pipe := filepath.Join(t.TempDir(), "started")
	must(t, syscall.Mkfifo(pipe, 0o600))
	return "echo $$ > " + pipe + "; exec sleep 60", func() string {
		pid, err := os.ReadFile(pipe)
		must(t, err)
		return strings.TrimSpace(string(pid))
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
	wantError(t, err, []string{remote + "/new"})
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
		t.Errorf("the changed content was not copied: %q", found)
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
