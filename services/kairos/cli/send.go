package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/kairos-push/kairos/pkg/event"
)

// Send is "kairos send".
type Send struct {
	User       string        `arg:"" optional:"" help:"Who gets it."`
	Title      string        `help:"Title." default:"Hello from Kairos"`
	Body       string        `help:"Text."`
	ID         string        `name:"id" help:"Id of the message, also its idempotency key. Default: a new one."`
	Timing     string        `help:"now, best_moment or at." enum:"now,best_moment,at" default:"best_moment"`
	At         time.Time     `help:"When, with --timing at: 2026-05-01T09:30:00Z."`
	Within     time.Duration `help:"Deadline, counted from now. Default: the category's, 24h."`
	Campaign   string        `help:"Campaign."`
	Category   string        `help:"Category."`
	Priority   string        `help:"critical, transactional or promotional." enum:",critical,transactional,promotional" default:""`
	Value      *float64      `help:"Worth of an open."`
	CancelKey  string        `help:"Key by which it can be cancelled."`
	Drop       bool          `help:"Drop it at its deadline instead of sending it."`
	RecordFile string        `name:"record" help:"Send this message record, or array of them, as it is (- = standard input)." placeholder:"FILE"`
	API        `embed:""`
}

// Run sends.
func (s *Send) Run(ctx context.Context, o *IO) error {
	if s.RecordFile != "" {
		body, err := readFile(s.RecordFile, o.In)
		if err != nil {
			return err
		}
		answer, err := s.call(ctx, http.MethodPost, "/v1/messages", body)
		if err == nil {
			o.Printf("accepted\n%s", indent(answer))
		}
		return err
	}
	m, err := s.message(o.Clock.Now())
	if err != nil {
		return err
	}
	body, err := event.Encode(m)
	if err != nil {
		return err
	}
	if _, err := s.call(ctx, http.MethodPost, "/v1/messages", body); err != nil {
		return err
	}
	o.Printf("%s %s for %s\n", Good.Render("accepted"), Bold.Render(m.MessageID), m.UserID)
	o.Printf("%s\n", Soft.Render("kairos why "+m.MessageID+"      tells what becomes of it"))
	return nil
}

func (s *Send) message(now time.Time) (*event.Message, error) {
	if s.User == "" {
		return nil, errors.New("say who gets it: kairos send USER")
	}
	if (s.Timing == event.TimingAt) == s.At.IsZero() {
		return nil, errors.New("--timing at and --at go together")
	}
	m := &event.Message{
		MessageID: s.ID, UserID: s.User, Title: s.Title, Body: s.Body, Timing: s.Timing, SendAt: s.At, CampaignID: s.Campaign,
		Category: s.Category, Priority: s.Priority, Value: s.Value, CancelKey: s.CancelKey,
	}
	if m.MessageID == "" {
		m.MessageID = "m-" + strings.ToLower(rand.Text()[:12])
	}
	if s.Within > 0 {
		m.Deadline = now.Add(s.Within).Truncate(time.Second)
	}
	if s.Drop {
		m.AtDeadline = "drop"
	}
	return m, m.Validate()
}

// Cancel is "kairos cancel".
type Cancel struct {
	ID   string `arg:"" help:"Id of the message, or its cancel key with --by-key."`
	User string `required:"" help:"Whose message it is."`
	Key  bool   `name:"by-key" help:"The argument is a cancel key: take back all messages that carry it."`
	API  `embed:""`
}

// Run cancels. A cancel that is in the log before the release always wins, also when it is there before its message.
func (c *Cancel) Run(ctx context.Context, o *IO) error {
	var err error
	if c.Key {
		var body []byte
		body, err = event.Encode(event.Cancel{Type: "cancel", UserID: c.User, CancelKey: c.ID})
		if err == nil {
			_, err = c.call(ctx, http.MethodPost, "/v1/messages", body)
		}
	} else {
		_, err = c.call(ctx, http.MethodDelete, "/v1/messages/"+url.PathEscape(c.ID)+"?user_id="+url.QueryEscape(c.User), nil)
	}
	if err == nil {
		o.Printf("%s the cancel of %s\n", Good.Render("accepted"), Bold.Render(c.ID))
	}
	return err
}

// call speaks to the HTTP API. A refusal is an error with what the problem document says.
func (a *API) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(a.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.Key)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w\nis `kairos up` running? another address goes in --url", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, problem(resp.Status, answer)
	}
	return answer, nil
}

// problem reads RFC 9457 problem+json as far as a person needs it.
func problem(status string, body []byte) error {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return fmt.Errorf("%s: %.500s", status, bytes.TrimSpace(body))
	}
	if p.Detail == "" {
		return errors.New(p.Title)
	}
	return fmt.Errorf("%s: %s", p.Title, p.Detail)
}

func readFile(path string, in io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(path)
}

func indent(b []byte) string {
	s := strings.TrimSpace(string(b))
	if s == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(s, "\n", "\n  ") + "\n"
}
