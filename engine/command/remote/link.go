package remote

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxSessions at a time on one connection; sshd's MaxSessions is 10 unless told otherwise.
const maxSessions = 8

// A server that answers no question for patience is dead; it is asked every askEvery.
const (
	askEvery = 15 * time.Second
	patience = 60 * time.Second
)

// link is the one SSH connection which all commands over the same Connection share. It saves them the handshakes, and
// keeps many commands to one host below sshd's MaxStartups.
type link struct {
	connection Connection
	sessions   chan struct{} // a place for each session
	dialling   chan struct{} // one place: who waits for it finds the client that the holder made
	client     *ssh.Client   // nil: none yet; it may have broken since
	askEvery   time.Duration
	patience   time.Duration
}

var (
	linksLock sync.Mutex
	links     = map[string]*link{}
)

// link returns the shared connection. It lives as long as the plugin.
func (c Connection) link() (*link, error) {
	key, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	linksLock.Lock()
	defer linksLock.Unlock()
	if links[string(key)] == nil {
		links[string(key)] = newLink(c, askEvery, patience)
	}
	return links[string(key)], nil
}

func newLink(c Connection, askEvery, patience time.Duration) *link {
	return &link{
		connection: c, sessions: make(chan struct{}, maxSessions), dialling: make(chan struct{}, 1),
		askEvery: askEvery, patience: patience,
	}
}

// with waits for a place and hands a live client to use. A client that broke since it was used last is replaced once.
func (l *link) with(ctx context.Context, use func(*ssh.Client) error) error {
	if err := enter(ctx, l.sessions); err != nil {
		return err
	}
	defer func() { <-l.sessions }()
	client, err := l.live(ctx)
	if err != nil {
		return err
	}
	return use(client)
}

// live returns the client, and connects where there is none.
func (l *link) live(ctx context.Context) (*ssh.Client, error) {
	if err := enter(ctx, l.dialling); err != nil {
		return nil, err
	}
	defer func() { <-l.dialling }()
	if l.client != nil && l.answers(ctx, l.client) {
		return l.client, nil
	}
	client, err := l.connection.dial(ctx)
	if err != nil {
		return nil, err
	}
	l.client = client
	go l.watch(client)
	return client, nil
}

// enter takes one of the places, or fails when ctx ends first.
func enter(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answers asks the server whether it is still there, for at most patience, and closes the connection to one that is not.
func (l *link) answers(ctx context.Context, client *ssh.Client) bool {
	answer := make(chan error, 1)
	go func() {
		_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
		answer <- err
	}()
	select {
	case err := <-answer:
		return err == nil
	case <-time.After(l.patience):
		client.Close()
		return false
	case <-ctx.Done():
		return true // not known; whoever asked has no use for it any more
	}
}

// watch asks until the connection ends.
func (l *link) watch(client *ssh.Client) {
	ended := make(chan struct{})
	go func() {
		client.Wait()
		close(ended)
	}()
	for l.answers(context.Background(), client) {
		select {
		case <-time.After(l.askEvery):
		case <-ended:
		}
	}
}
