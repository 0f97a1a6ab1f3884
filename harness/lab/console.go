package lab

import (
	"bufio"
	"context"
	"io"
	"sync"
)

// Console makes an Options.Ask for a person at a terminal. show shows what to do, until the function that it returns is called with whether
// the person has answered, which is a line from in. It may be shared by many devices: they ask one after the other. A line that nobody
// waits for is dropped. Once called, it keeps reading in until that ends.
func Console(in io.Reader, show func(what string) (over func(answered bool))) func(ctx context.Context, what string) error {
	c := &console{in: in, show: show, turn: make(chan struct{}, 1)}
	return c.ask
}

// console is an operator at a terminal.
type console struct {
	in   io.Reader
	show func(what string) (over func(answered bool))
	turn chan struct{} // holds a value while somebody asks
	read sync.Once

	mu     sync.Mutex
	answer chan error // of the plea at hand, nil when there is none
	ended  bool       // there is nothing more to read
}

// ask shows a plea and waits for the answer.
func (c *console) ask(ctx context.Context, what string) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	answer := make(chan error, 1)
	c.mu.Lock()
	c.answer = answer
	if c.ended {
		c.reply(io.ErrUnexpectedEOF)
	}
	c.mu.Unlock()
	c.read.Do(func() { go c.listen() })
	over := c.show(what)
	select {
	case err := <-answer:
		over(err == nil)
		return err
	case <-ctx.Done():
		over(false)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.answer = nil
		return ctx.Err()
	}
}

// listen hands every line to the plea at hand.
func (c *console) listen() {
	for s := bufio.NewScanner(c.in); s.Scan(); {
		c.mu.Lock()
		c.reply(nil)
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.reply(io.ErrUnexpectedEOF)
}

// reply ends the plea at hand, if there is one. c.mu is held.
func (c *console) reply(err error) {
	if c.answer != nil {
		c.answer <- err
		c.answer = nil
	}
}
