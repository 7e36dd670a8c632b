package remote

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// server is a real OpenSSH server on the loopback interface, one per test.
type server struct {
	port     int
	hostKey  string // its public key
	ownerKey string // the private key that it accepts
	log      *record
}

// record holds the lines that a process wrote.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

func (r *record) contains(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(strings.Join(r.lines, "\n"), text)
}

// startServer starts sshd and waits until it listens. Options replace its AcceptEnv, and come first.
func startServer(t *testing.T, options ...string) *server {
	t.Helper()
	folder, port := t.TempDir(), freePort(t)
	host, owner := newKey(t), newKey(t)
	s := &server{port: port, hostKey: public(t, host), ownerKey: owner.private(t, ""), log: &record{}}
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	rsa := filepath.Join(folder, "rsa")
	run(t, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", rsa)
	config := append(options,
		fmt.Sprintf("Port %d", port), "ListenAddress 127.0.0.1", "PidFile none", "LogLevel DEBUG1",
		"HostKey "+rsa, "HostKey "+write("ed25519", host.private(t, "")),
		"AuthorizedKeysFile "+write("authorized_keys", public(t, owner)), "StrictModes no",
		"UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"Subsystem sftp internal-sftp",
	)
	if len(options) == 0 {
		config = append(config, "AcceptEnv RACK_* PULUMI_COMMAND_*")
	}
	if os.Geteuid() == 0 {
		must(t, os.MkdirAll("/run/sshd", 0o755)) // as Debian's unit file does
	}
	s.start(t, write("config", strings.Join(config, "\n")+"\n"))
	return s
}

func (s *server) start(t *testing.T, config string) {
	t.Helper()
	// A pipe, because stderr is also the stderr of the commands.
	pipe := filepath.Join(t.TempDir(), "log")
	must(t, syscall.Mkfifo(pipe, 0o600))
	log, err := os.OpenFile(pipe, os.O_RDWR, 0)
	must(t, err)
	cmd := exec.Command("/usr/sbin/sshd", "-D", "-E", pipe, "-f", config)
	if err := cmd.Start(); err != nil {
		t.Fatalf("these tests need OpenSSH's server (apt-get install openssh-server): %v", err)
	}
	listening := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(log); lines.Scan(); {
			s.log.add(lines.Text())
			if strings.HasPrefix(lines.Text(), "Server listening on") {
				close(listening)
			}
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		log.Close()
	})
	select {
	case <-listening:
	case err := <-ended:
		ended <- err
		t.Fatalf("sshd did not start: %v %v", err, s.log.lines)
	}
}

// endpoint returns the server with its credentials and host key, without retries.
func (s *server) endpoint(t *testing.T) Endpoint {
	me, err := user.Current()
	must(t, err)
	return Endpoint{
		Host: "127.0.0.1", Port: ptr(float64(s.port)), User: &me.Username, HostKey: &s.hostKey,
		PrivateKey: &s.ownerKey, DialErrorLimit: ptr(0),
	}
}

func (s *server) connection(t *testing.T) Connection { return Connection{Endpoint: s.endpoint(t)} }

// relay passes connections on to an address; a test cuts them, or has the first ones refused.
type relay struct {
	port     int
	mu       sync.Mutex
	accepted int
	open     []net.Conn
}

// startRelay forwards to port, and closes the first connections, as many as refused tells.
func startRelay(t *testing.T, port func() int, refused int) *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	r := &relay{port: listener.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.accepted++
			number := r.accepted
			r.mu.Unlock()
			if number <= refused {
				conn.Close()
				continue
			}
			r.pass(conn, port())
		}
	}()
	return r
}

func (r *relay) pass(conn net.Conn, port int) {
	target, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		conn.Close()
		return
	}
	r.mu.Lock()
	r.open = append(r.open, conn, target)
	r.mu.Unlock()
	go r.copy(target, conn)
	go r.copy(conn, target)
}

// copy passes on until either side ends.
func (r *relay) copy(to, from net.Conn) {
	defer to.Close()
	io.Copy(to, from)
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.open {
		conn.Close()
	}
}

func (r *relay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}

// key is an Ed25519 key pair.
type key ed25519.PrivateKey

func newKey(t *testing.T) key {
	_, private, err := ed25519.GenerateKey(nil)
	must(t, err)
	return key(private)
}

func (k key) private(t *testing.T, passphrase string) string {
	block, err := ssh.MarshalPrivateKey(ed25519.PrivateKey(k), "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(ed25519.PrivateKey(k), "", []byte(passphrase))
	}
	must(t, err)
	return string(pem.EncodeToMemory(block))
}

func public(t *testing.T, k key) string {
	signer, err := ssh.NewSignerFromKey(ed25519.PrivateKey(k))
	must(t, err)
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func run(t *testing.T, argv ...string) {
	t.Helper()
	if text, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, text)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](value T) *T { return &value }
