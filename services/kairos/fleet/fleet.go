package fleet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
)

// Config of a fleet.
type Config struct {
	Phones int
	URL    string // of the HTTP API
	Key    string // API key
	Seed   uint64
	// Subscribe makes a Web Push subscription for a device at the browser vendor's gateway.
	Subscribe func(device string) (string, error)
	// Pushes tells of everything that the gateways deliver, until the returned function is called.
	Pushes func(func(Push)) (cancel func())
	Client *http.Client // nil: one of its own
	Clock  clock.Clock
	Log    zerolog.Logger
}

// Fleet runs phones and a campaign.
type Fleet struct {
	cfg    Config
	phones map[string]*member // by device
	users  []string
	calls  chan struct{} // bounds the requests under way
	failed atomic.Bool   // so that a broken API is logged once, not by every phone
}

type member struct {
	*Phone
	inbox chan Push
}

// inbox bounds the pushes that a phone has not taken; beyond it they are lost, as they are on a phone that is off.
const inbox = 64

// New makes the people; nothing happens before Run.
func New(cfg Config) (*Fleet, error) {
	f := &Fleet{cfg: cfg, phones: map[string]*member{}, calls: make(chan struct{}, 16)}
	if f.cfg.Client == nil {
		f.cfg.Client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: cap(f.calls)}}
	}
	for i := range cfg.Phones {
		p, err := NewPhone(i, cfg.Seed, cfg.Subscribe)
		if err != nil {
			return nil, err
		}
		f.phones[p.DeviceID] = &member{Phone: p, inbox: make(chan Push, inbox)}
		f.users = append(f.users, p.UserID)
	}
	return f, nil
}

// Run lives until ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	cancel := f.cfg.Pushes(func(p Push) {
		if m := f.phones[p.DeviceID]; m != nil {
			select {
			case m.inbox <- p:
			default:
			}
		}
	})
	defer cancel()
	var wg sync.WaitGroup
	for _, m := range f.phones {
		wg.Go(func() { f.live(ctx, m) })
	}
	wg.Go(func() { f.campaign(ctx) })
	wg.Wait()
	return nil
}

func (f *Fleet) live(ctx context.Context, m *member) {
	if !f.do(ctx, m.Join(f.cfg.Clock.Now())) {
		return
	}
	for ctx.Err() == nil {
		timer := f.cfg.Clock.Timer(m.Due().Sub(f.cfg.Clock.Now()))
		var out []Request
		select {
		case <-ctx.Done():
		case <-timer.C:
			out = m.Step(f.cfg.Clock.Now())
		case push := <-m.inbox:
			out = m.Receive(push, f.cfg.Clock.Now())
		}
		timer.Stop()
		f.do(ctx, out)
	}
}

func (f *Fleet) campaign(ctx context.Context) {
	// People first pick up their phones, so that there is a habit to read.
	if f.cfg.Clock.Sleep(ctx, 2*time.Second) != nil || len(f.users) == 0 {
		return
	}
	c := NewCampaign(f.cfg.Seed, f.cfg.Clock.Now())
	for range 2 * len(f.users) / 3 { // so that the page has something to show from the start
		f.do(ctx, c.Next(f.users, f.cfg.Clock.Now()))
	}
	for f.cfg.Clock.Sleep(ctx, c.Pause(len(f.users))) == nil {
		f.do(ctx, c.Next(f.users, f.cfg.Clock.Now()))
	}
}

// do calls the API, one request after the other; false when ctx has ended.
func (f *Fleet) do(ctx context.Context, list []Request) bool {
	for _, r := range list {
		if !f.deliver(ctx, r) {
			return false
		}
	}
	return true
}

// deliver repeats a request while the API is out of reach or asks to wait; records keep their ids, so repeating is safe.
func (f *Fleet) deliver(ctx context.Context, r Request) bool {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		after, err := f.call(ctx, r)
		if err == nil {
			f.failed.Store(false)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if !f.failed.Swap(true) {
			f.cfg.Log.Warn().Err(err).Str("path", r.Path).Msg("fleet_call_failed")
		}
		if after < 0 {
			return true // refused for good
		}
		if f.cfg.Clock.Sleep(ctx, max(wait, after)) != nil {
			return false
		}
	}
}

// call makes one request. On an error, after is how long to wait before the next, negative when there is no point.
func (f *Fleet) call(ctx context.Context, r Request) (after time.Duration, err error) {
	var body io.Reader
	if r.Body != nil {
		b, err := event.Encode(r.Body)
		if err != nil {
			return -1, err
		}
		body = bytes.NewReader(b)
	}
	select {
	case f.calls <- struct{}{}:
		defer func() { <-f.calls }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, f.cfg.URL+r.Path, body)
	if err != nil {
		return -1, err
	}
	req.Header.Set("Authorization", "Bearer "+f.cfg.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.cfg.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return 0, err
	case resp.StatusCode < http.StatusMultipleChoices:
		return 0, nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return time.Duration(seconds) * time.Second, errors.New(resp.Status)
	default:
		return -1, errors.New(resp.Status + ": " + string(text[:min(len(text), 300)]))
	}
}
