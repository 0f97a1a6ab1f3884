package dut

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"
)

// Console makes an Options.Ask that writes its plea to out and waits for a line from in. It may be shared by many devices: they ask one
// after the other. Once called it keeps reading in until that ends.
func Console(in io.Reader, out io.Writer) func(ctx context.Context, what string) error {
	var (
		turn  = make(chan struct{}, 1)
		lines = make(chan struct{})
		start sync.Once
		late  bool // nobody waited any more for the answer to the plea before
	)
	read := func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- struct{}{}
		}
	}
	return func(ctx context.Context, what string) error {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-turn }()
		start.Do(func() { go read() })
		if late {
			select {
			case <-lines:
			default:
			}
		}
		if _, err := fmt.Fprintf(out, "\nusptest: please %s now, then press Enter: ", what); err != nil {
			return err
		}
		select {
		case _, ok := <-lines:
			if !ok {
				return io.ErrUnexpectedEOF
			}
			late = false
			return nil
		case <-ctx.Done():
			late = true
			return ctx.Err()
		}
	}
}
