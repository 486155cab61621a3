// Package load is the workload of the fault suite: an app that sends messages, cancels, revisions, events and signals, over
// HTTP and over topics in turn, and never gives up on a record before it is acknowledged. What is acknowledged it writes to
// a file and syncs, before anything that follows from it.
package load

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// Config of a workload.
type Config struct {
	Seed    uint64
	URL     string // of ingest
	Brokers []string
	Prefix  string // of the topics
	Log     string // file of what was acknowledged

	Users    int
	Messages int
	Over     time.Duration // messages are spread evenly over this time
	// Ahead is how far ahead at most a message is planned; at least a third of it.
	Ahead time.Duration
	// Cancels is how many of a hundred messages are taken back: those that are planned for a time before half of it is over,
	// others within two seconds. At most 80; of the planned ones another fifth is revised.
	Cancels int
	// Burst is when ten times the rate begins, for a tenth of the messages' time; 0 for none.
	Burst bool
	// Twice sends every record to the topics a second time.
	Twice bool
	// Deadline, from when they are due, of messages that would have none; 0 for none.
	Deadline time.Duration
	// Soon leaves out what is to be held: for a clock that stays behind.
	Soon bool
	// Subscribe gives the address of a browser.
	Subscribe func(id string) (string, error)
}

// Load is a workload.
type Load struct {
	cfg   Config
	rnd   *rand.Rand
	clock clock.Clock
	http  *caller
	kafka *kgo.Client

	mu      sync.Mutex
	log     *os.File
	planned map[string]string // message → user, of those that are not to leave at once
	err     error
	wg      sync.WaitGroup
}

// New opens the log and the connections.
func New(cfg Config) (*Load, error) {
	log, err := os.OpenFile(cfg.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...), kgo.ProducerLinger(time.Millisecond))
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return &Load{
		cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 1)),
		http: newCaller(cfg.URL), kafka: cl, log: log, planned: map[string]string{},
	}, nil
}

// Close gives the connections up.
func (l *Load) Close() error {
	l.kafka.Close()
	return l.log.Close()
}

// Join registers the users' phones, and waits until all are acknowledged.
func (l *Load) Join(ctx context.Context) error {
	users := make([]string, l.cfg.Users)
	for i := range users {
		users[i] = userOf(i)
	}
	for i := range l.cfg.Messages {
		if l.erases(i) {
			users = append(users, passing(i))
		}
	}
	for i, user := range users {
		if err := l.device(ctx, i, user); err != nil {
			return err
		}
	}
	l.wg.Wait()
	return l.failure()
}

// Run sends everything and waits until all is acknowledged.
func (l *Load) Run(ctx context.Context) error {
	begun := l.clock.Now()
	for i := range l.cfg.Messages {
		share := float64(i) / float64(l.cfg.Messages)
		if l.cfg.Burst && share > 0.3 { // what is left comes ten times as fast
			share = 0.3 + (share-0.3)/10
		}
		at := begun.Add(time.Duration(share * float64(l.cfg.Over)))
		if err := l.clock.Sleep(ctx, at.Sub(l.clock.Now())); err != nil {
			return err
		}
		l.message(ctx, i)
		l.sense(ctx, i)
	}
	l.wg.Wait()
	return l.failure()
}

func userOf(i int) string { return fmt.Sprintf("u%04d", i) }

// passing is somebody who gets one message and erases themselves then.
func passing(i int) string { return fmt.Sprintf("x%05d", i) }

// erases says whether the message is for somebody who passes. A record that is there again after that would be new.
func (l *Load) erases(i int) bool { return i%13 == 7 && !l.cfg.Twice }

// shortly is how soon something follows a message that goes at once, at most; a passing person's comes no later than passes.
const (
	shortly = 2 * time.Second
	passes  = time.Minute
)

// message sends one message, and perhaps a cancel or a revision of it, or its person's erasure.
func (l *Load) message(ctx context.Context, i int) {
	id, user := fmt.Sprintf("m%05d", i), userOf(l.rnd.IntN(l.cfg.Users))
	m := map[string]any{
		"message_id": id, "user_id": user, "title": "Fault suite", "body": id, "priority": "transactional",
		"data": map[string]any{"rev": "0"}, "on_ambiguous": []string{"drop", "resend"}[i%2],
	}
	e := verify.Entry{Op: verify.OpMessage, Message: id, Resend: i%2 == 1, Exact: true}
	ahead := l.cfg.Ahead/3 + time.Duration(l.rnd.Int64N(int64(l.cfg.Ahead)*2/3))
	topics, kind, fate := l.rnd.IntN(2) == 0, l.rnd.IntN(10), l.rnd.IntN(100)
	now := l.clock.Now()
	switch {
	case l.erases(i):
		user = passing(i)
		m["user_id"], m["timing"], m["deadline"] = user, "now", now.Add(passes).Format(time.RFC3339Nano)
	case kind < 4 || l.cfg.Soon:
		m["timing"] = "now"
	case kind < 8:
		m["timing"], e.Due = "at", now.Add(ahead)
		m["send_at"] = e.Due.Format(time.RFC3339Nano)
	default: // goes half a minute before its deadline at the latest
		m["timing"], e.Due, e.Exact = "best_moment", now.Add(30*time.Second+ahead), false
		m["deadline"], m["priority"] = e.Due.Format(time.RFC3339Nano), "promotional"
	}
	if l.cfg.Deadline > 0 && m["deadline"] == nil {
		m["deadline"] = later(e.Due, now).Add(l.cfg.Deadline).Format(time.RFC3339Nano)
	}
	pause := time.Duration(l.rnd.Int64N(int64(ahead) / 2))
	soon := time.Duration(l.rnd.Int64N(int64(shortly)))
	l.wg.Go(func() {
		switch {
		case !l.send(ctx, topics && !l.erases(i), "messages", user, m, e):
			return
		case l.erases(i):
			if l.clock.Sleep(ctx, soon) == nil { // over HTTP, as the message: one is in the log before the other
				l.send(ctx, false, "users", user, map[string]any{"user_id": user, "erase": true}, verify.Entry{Op: verify.OpCancel, Message: id})
			}
			return
		case m["timing"] == "now":
			if fate < l.cfg.Cancels && l.clock.Sleep(ctx, soon) == nil {
				l.cancel(ctx, !topics, id, user)
			}
			return
		}
		l.mu.Lock()
		l.planned[id] = user
		l.mu.Unlock()
		if m["timing"] != "at" || fate >= l.cfg.Cancels+20 || l.clock.Sleep(ctx, pause) != nil {
			return
		}
		switch {
		case fate < l.cfg.Cancels:
			l.cancel(ctx, !topics, id, user)
		default:
			m["revision"], m["data"] = 1, map[string]any{"rev": "1"}
			e.Revision = 1
			l.send(ctx, !topics, "messages", user, m, e)
		}
	})
}

func (l *Load) cancel(ctx context.Context, topics bool, id, user string) {
	l.send(ctx, topics, "messages", user, map[string]any{"type": "cancel", "user_id": user, "message_id": id},
		verify.Entry{Op: verify.OpCancel, Message: id})
}

// Recall takes back everything planned that has not left, and says what that was.
func (l *Load) Recall(ctx context.Context, left func(message string) bool) (recalled []string, err error) {
	l.mu.Lock()
	planned := maps.Clone(l.planned)
	l.mu.Unlock()
	for id, user := range planned {
		if !left(id) {
			l.cancel(ctx, false, id, user)
			recalled = append(recalled, id)
		}
	}
	return recalled, l.failure()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sense sends what happens beside: an event and a signal, some of them again and some with a clock that is wrong.
func (l *Load) sense(ctx context.Context, i int) {
	user, topics := userOf(l.rnd.IntN(l.cfg.Users)), l.rnd.IntN(2) == 0
	at := l.clock.Now().Add(time.Duration(l.rnd.IntN(601)-300) * time.Second).Format(time.RFC3339Nano)
	id := i - l.rnd.IntN(2)*min(i, 3)
	l.wg.Go(func() {
		l.send(ctx, topics, "events", user, map[string]any{
			"event_id": fmt.Sprintf("e%05d", id), "user_id": user, "name": "screen_viewed", "occurred_at": at,
		}, verify.Entry{})
		l.send(ctx, !topics, "signals", user, map[string]any{
			"signal_id": fmt.Sprintf("s%05d", id), "user_id": user, "device_id": user + "-d", "kind": []string{"unlocked", "locked"}[i%2], "observed_at": at,
		}, verify.Entry{})
	})
}

// device registers a phone, or a browser.
func (l *Load) device(ctx context.Context, i int, user string) error {
	d := map[string]any{
		"device_id": user + "-d", "user_id": user, "address_type": "token", "permission": "granted", "time_zone": "Europe/Berlin",
		"updated_at": l.clock.Now().Add(-time.Hour).Format(time.RFC3339Nano),
	}
	switch i % 3 {
	case 0:
		var token [32]byte
		copy(token[:], user)
		d["platform"], d["channel"], d["address"] = "ios", "apns", hex.EncodeToString(token[:])
	case 1:
		d["platform"], d["channel"], d["address"] = "android", "fcm", "fcm-"+user
	default:
		address, err := l.cfg.Subscribe(user)
		if err != nil {
			return err
		}
		d["platform"], d["channel"], d["address_type"], d["address"] = "web", "webpush", "subscription", address
	}
	l.wg.Go(func() { l.send(ctx, true, "devices", user, d, verify.Entry{}) })
	return nil
}

// send tries until a record is acknowledged, and writes that down if it is to be judged.
func (l *Load) send(ctx context.Context, topics bool, kind, user string, record map[string]any, e verify.Entry) bool {
	e.Begun = l.clock.Now()
	body, err := json.Marshal(record)
	if err == nil && topics {
		err = l.produce(ctx, kind, user, body)
	} else if err == nil {
		err = l.http.post(ctx, "/v1/"+kind, record, body)
	}
	if err == nil && l.cfg.Twice {
		err = l.produce(ctx, kind, user, body)
	}
	if err == nil && e.Op != "" {
		e.At = l.clock.Now()
		if e.Due.IsZero() {
			e.Due = e.At
		}
		err = l.note(e)
	}
	if err != nil {
		l.mu.Lock()
		if l.err == nil { // the others will be like it
			l.err = fmt.Errorf("%s %v: %w", kind, record["message_id"], err)
		}
		l.mu.Unlock()
	}
	return err == nil
}

// produce writes to a topic until it is acknowledged; a record whose acknowledgement was lost is there twice.
func (l *Load) produce(ctx context.Context, kind, user string, body []byte) error {
	for {
		err := l.kafka.ProduceSync(ctx, &kgo.Record{Topic: l.cfg.Prefix + "in." + kind + ".v1", Key: []byte(user), Value: body}).FirstErr()
		if err == nil {
			return nil
		}
		if e := l.clock.Sleep(ctx, 300*time.Millisecond); e != nil {
			return fmt.Errorf("not acknowledged: %w", err)
		}
	}
}

// note writes down an acknowledgement and syncs it.
func (l *Load) note(e verify.Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.log.Write(append(line, '\n')); err != nil {
		return err
	}
	return l.log.Sync()
}

func (l *Load) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
