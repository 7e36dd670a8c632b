package remote

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/retry"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Endpoint is one SSH server and the credentials for it: the inputs that a connection and its proxy share.
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

// Connection is the server that runs the commands, reached directly or through a proxy.
type Connection struct {
	Endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// ProxyConnection is the proxy.
type ProxyConnection struct{ Endpoint }

const (
	defaultUser           = "root"
	defaultPort           = 22
	defaultDialErrorLimit = 10
	defaultPerDialTimeout = 15 // seconds
	agentVariable         = "SSH_AUTH_SOCK"
)

func (e *Endpoint) Annotate(a infer.Annotator) {
	a.SetDefault(&e.User, defaultUser)
	a.SetDefault(&e.Port, defaultPort)
	a.SetDefault(&e.DialErrorLimit, defaultDialErrorLimit)
	a.SetDefault(&e.PerDialTimeout, defaultPerDialTimeout)
}

// or returns the value, or the default if it is missing from a state that another version wrote.
func or[T any](value *T, otherwise T) T {
	if value != nil {
		return *value
	}
	return otherwise
}

// dial opens a connection for one command, through the proxy if there is one. It is never closed: it lasts until the
// plugin ends.
func (c Connection) dial(ctx context.Context) (*ssh.Client, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	if c.Proxy == nil {
		return insist(ctx, "Dial", c.attempts(), func() (*ssh.Client, error) {
			return ssh.Dial("tcp", c.address(), config)
		})
	}
	client, err := c.dialThrough(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return client, nil
}

func (c Connection) dialThrough(ctx context.Context, config *ssh.ClientConfig) (*ssh.Client, error) {
	proxyConfig, err := c.Proxy.config()
	if err != nil {
		return nil, err
	}
	proxy, err := insist(ctx, "Dial proxy", c.Proxy.attempts(), func() (*ssh.Client, error) {
		return ssh.Dial("tcp", c.Proxy.address(), proxyConfig)
	})
	if err != nil {
		return nil, err
	}
	conn, err := insist(ctx, "Dial from proxy", c.attempts(), func() (net.Conn, error) {
		return proxy.Dial("tcp", c.address())
	})
	if err != nil {
		return nil, err
	}
	return insist(ctx, "Dial", c.attempts(), func() (*ssh.Client, error) {
		ready, channels, requests, err := ssh.NewClientConn(conn, c.address(), config)
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(ready, channels, requests), nil
	})
}

// insist retries until try succeeds, has failed limit times (-1: no limit), or ctx ends. It treats a wrong host key and
// wrong credentials like a host that is not up yet, and its log never contains the reason of a failure.
func insist[T any](ctx context.Context, what string, limit int, try func() (T, error)) (result T, err error) {
	shown := strconv.Itoa(limit)
	if limit == -1 {
		shown = "inf"
	}
	done, _, err := retry.Until(ctx, retry.Acceptor{Accept: func(failed int, _ time.Duration) (bool, any, error) {
		var reason error
		if result, reason = try(); reason == nil {
			return true, nil, nil
		}
		if limit > -1 && failed+1 > limit {
			return true, nil, fmt.Errorf("after %d failed attempts: %w", failed, reason)
		}
		p.GetLogger(ctx).InfoStatusf("%s %d/%s failed: retrying", what, failed+1, shown)
		return false, nil, nil
	}})
	if !done && err == nil {
		err = ctx.Err()
	}
	return result, err
}

func (e Endpoint) attempts() int { return or(e.DialErrorLimit, defaultDialErrorLimit) }

func (e Endpoint) address() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(or(e.Port, defaultPort))))
}

// config returns the user, the authentication methods (key, then password, then agent) and the expected host key.
func (e Endpoint) config() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{
		User:    or(e.User, defaultUser),
		Timeout: time.Duration(or(e.PerDialTimeout, defaultPerDialTimeout)) * time.Second,
	}
	if err := e.pin(config); err != nil {
		return nil, err
	}
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(e.answer))
	}
	return config, e.askAgent(config)
}

// askAgent connects to the SSH agent. An agentSocketPath of "" is a path without a listener; only an empty variable
// means "no agent". A socket without a listener fails every command.
func (e Endpoint) askAgent(config *ssh.ClientConfig) error {
	socket := os.Getenv(agentVariable)
	if e.AgentSocketPath == nil && socket == "" {
		return nil
	}
	conn, err := net.Dial("unix", or(e.AgentSocketPath, socket))
	if err != nil {
		return err
	}
	config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	return nil
}

func (e Endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*e.PrivateKey))
}

// answer answers every question with the password, because servers with PAM ask for it this way.
func (e Endpoint) answer(_, _ string, questions []string, _ []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i := range answers {
		answers[i] = *e.Password
	}
	return answers, nil
}

// pin accepts only the key of hostKey (a line as in ssh_host_*_key.pub) and offers that key's type as the only
// algorithm: for an RSA key "ssh-rsa", which OpenSSH rejects since 8.8. Without hostKey it accepts any key.
func (e Endpoint) pin(config *ssh.ClientConfig) error {
	if e.HostKey == nil {
		config.HostKeyCallback = ssh.InsecureIgnoreHostKey()
		return nil
	}
	expected, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
	if err != nil {
		return fmt.Errorf("failed to parse host key: %w", err)
	}
	config.HostKeyAlgorithms = []string{expected.Type()}
	config.HostKeyCallback = ssh.FixedHostKey(expected)
	return nil
}
