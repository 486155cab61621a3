package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/kairos-push/kairos/pkg/clock"
)

// caller speaks to ingest as a client that was told to retry.
type caller struct {
	url   string
	http  *http.Client
	clock clock.Clock
}

func newCaller(url string) *caller {
	return &caller{url: url, http: &http.Client{Timeout: 15 * time.Second}}
}

// post sends a record until it is taken. A cancel and an erasure go as a DELETE.
func (c *caller) post(ctx context.Context, path string, record map[string]any, body []byte) error {
	method := http.MethodPost
	switch {
	case record["erase"] == true:
		method, body = http.MethodDelete, nil
		path += fmt.Sprintf("/%v", record["user_id"])
	case record["type"] == "cancel":
		method, body = http.MethodDelete, nil
		path += fmt.Sprintf("/%v?user_id=%s", record["message_id"], url.QueryEscape(fmt.Sprint(record["user_id"])))
	}
	for {
		status, answer, err := c.once(ctx, method, path, body)
		switch {
		case err == nil && status < 300 && status != http.StatusMultiStatus:
			return nil
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			return fmt.Errorf("%s %s: %d %s", method, path, status, answer)
		}
		if e := c.clock.Sleep(ctx, 300*time.Millisecond); e != nil {
			return fmt.Errorf("%s %s: not acknowledged (%d, %w)", method, path, status, err)
		}
	}
}

func (c *caller) once(ctx context.Context, method, path string, body []byte) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer demo")
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	return res.StatusCode, string(answer), err
}
