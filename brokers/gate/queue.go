package gate

import (
	"net"
	"sync"
)

// Queue is a net.Listener for a server that accepts connections itself, such as that of net/http: it is handed those of a Gate.
type Queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewQueue makes an empty queue.
func NewQueue() *Queue { return &Queue{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Hand gives a connection to the server and waits until done is closed, which has to happen when the server closes it.
func (q *Queue) Hand(c net.Conn, done <-chan struct{}) {
	select {
	case q.conns <- c:
		<-done
	case <-q.closed:
	}
}

// Accept implements net.Listener.
func (q *Queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *Queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr implements net.Listener.
func (q *Queue) Addr() net.Addr { return &net.TCPAddr{} }
