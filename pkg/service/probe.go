package service

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// probe asks /readyz of the process that listens on addr. A container's health check calls it, as the image has no shell.
func probe(ctx context.Context, addr string, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		if host == "" {
			host = "localhost"
		}
		err = ready(ctx, "http://"+net.JoinHostPort(host, port)+"/readyz")
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func ready(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("not ready: %s", text)
	}
	return nil
}
