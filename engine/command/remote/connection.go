package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Endpoint is one SSH server and the way in: what a connection and its proxy have in common.
type Endpoint struct {
	Host               string   `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
}

// Connection is the server that runs the commands, reached directly or by a hop over a proxy.
type Connection struct {
	Endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// ProxyConnection is the server in between.
type ProxyConnection struct{ Endpoint }

const (
	defaultUser           = "root"
	defaultPort           = 22
	defaultDialErrorLimit = 10
	defaultPerDialTimeout = 15 // seconds
)

func (e *Endpoint) Annotate(a infer.Annotator) {
	a.SetDefault(&e.User, defaultUser)
	a.SetDefault(&e.Port, defaultPort)
	a.SetDefault(&e.DialErrorLimit, defaultDialErrorLimit)
	a.SetDefault(&e.PerDialTimeout, defaultPerDialTimeout)
}

// or is the value, or its default where a state that another version wrote lacks it.
func or[T any](value *T, otherwise T) T {
	if value != nil {
		return *value
	}
	return otherwise
}

// reach opens a connection to an address, directly or through a proxy.
type reach func(ctx context.Context, network, address string) (net.Conn, error)

// firstDelay and lastDelay are the pauses between attempts; each is half as long again as the one before.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// dial connects, over the proxy where there is one, and tries again as often as dialErrorLimit allows.
func (c Connection) dial(ctx context.Context) (*ssh.Client, error) {
	if c.Proxy == nil {
		return c.connect(ctx, new(net.Dialer).DialContext)
	}
	hop, err := c.Proxy.connect(ctx, new(net.Dialer).DialContext)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	client, err := c.connect(ctx, hop.DialContext)
	if err != nil {
		hop.Close()
		return nil, fmt.Errorf("by proxy %s: %w", c.Proxy.address(), err)
	}
	go func() {
		client.Wait()
		hop.Close()
	}()
	return client, nil
}

// connect makes attempts until one succeeds, dialErrorLimit is passed (-1: never), or ctx ends. A wrong host key ends
// it at once; wrong credentials do not, as a host that is just being set up may not know them yet.
func (e Endpoint) connect(ctx context.Context, reach reach) (*ssh.Client, error) {
	config, done, err := e.config(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.address(), err)
	}
	defer done()
	for attempts, delay := 1, firstDelay; ; attempts, delay = attempts+1, min(delay*3/2, lastDelay) {
		client, err := e.attempt(ctx, reach, config)
		if err == nil {
			return client, nil
		}
		if wrong := (hostKeyError{}); errors.As(err, &wrong) {
			return nil, fmt.Errorf("%s: %w", e.address(), wrong)
		}
		if limit := or(e.DialErrorLimit, defaultDialErrorLimit); ctx.Err() != nil || (limit >= 0 && attempts > limit) {
			return nil, fmt.Errorf("no connection to %s after %d attempts: %w", e.address(), attempts, err)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
	}
}

func (e Endpoint) attempt(ctx context.Context, reach reach, config *ssh.ClientConfig) (*ssh.Client, error) {
	if seconds := or(e.PerDialTimeout, defaultPerDialTimeout); seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
		defer cancel()
	}
	conn, err := reach(ctx, "tcp", e.address())
	if err != nil {
		return nil, err
	}
	// Not a deadline on the connection: one through a proxy has none.
	release := context.AfterFunc(ctx, func() { conn.Close() })
	ready, channels, requests, err := ssh.NewClientConn(conn, e.address(), config)
	if !release() { // ctx ended, and with it the connection
		return nil, fmt.Errorf("handshake: %w", ctx.Err())
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(ready, channels, requests), nil
}

func (e Endpoint) address() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(or(e.Port, defaultPort))))
}

// config names the user, the ways to authenticate (key, then password, then agent) and the host key to expect.
// done closes the connection to the agent.
func (e Endpoint) config(ctx context.Context) (config *ssh.ClientConfig, done func(), err error) {
	config = &ssh.ClientConfig{User: or(e.User, defaultUser)}
	if err := e.pin(config); err != nil {
		return nil, nil, err
	}
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, nil, fmt.Errorf("privateKey: %w", err)
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(e.answer))
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if e.AgentSocketPath != nil {
		socket = *e.AgentSocketPath
	}
	if socket == "" {
		return config, func() {}, nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("SSH agent: %w", err)
	}
	config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	return config, func() { conn.Close() }, nil
}

func (e Endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*e.PrivateKey))
}

// answer gives the password to every question: servers with PAM ask for it so.
func (e Endpoint) answer(_, _ string, questions []string, _ []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i := range answers {
		answers[i] = *e.Password
	}
	return answers, nil
}

// hostKeyError is a server that showed another key than the one pinned.
type hostKeyError struct{ expected, found string }

func (e hostKeyError) Error() string {
	return fmt.Sprintf("refused, its host key is %s and hostKey says %s", e.found, e.expected)
}

// pin accepts the one key of hostKey (a line as in ssh_host_*_key.pub) and asks the server for that kind of key, of
// the several that it has. Without a hostKey any key will do, as upstream: the policy pack forbids that for sites.
func (e Endpoint) pin(config *ssh.ClientConfig) error {
	if e.HostKey == nil {
		config.HostKeyCallback = ssh.InsecureIgnoreHostKey()
		return nil
	}
	expected, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
	if err != nil {
		return fmt.Errorf("hostKey: want a line like \"ssh-ed25519 AAAA…\": %w", err)
	}
	config.HostKeyAlgorithms = []string{expected.Type()}
	if expected.Type() == ssh.KeyAlgoRSA {
		config.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	config.HostKeyCallback = func(_ string, _ net.Addr, found ssh.PublicKey) error {
		if bytes.Equal(found.Marshal(), expected.Marshal()) {
			return nil
		}
		return hostKeyError{ssh.FingerprintSHA256(expected), ssh.FingerprintSHA256(found)}
	}
	return nil
}
