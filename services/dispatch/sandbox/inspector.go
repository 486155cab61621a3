package sandbox

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Arrival is a push that a gateway accepted: what the phone would get.
type Arrival struct {
	Seq     int       `json:"seq"` // 1 for the first
	At      time.Time `json:"at"`
	Gateway string    `json:"gateway"`
	// Address is the APNs token, the FCM token or fid, or the Web Push endpoint.
	Address string `json:"address"`
	// ID is the apns-id, the FCM message name, or the Web Push Location.
	ID       string            `json:"id"`
	Headers  map[string]string `json:"headers,omitempty"` // lower-case names; none that authorise
	Payload  json.RawMessage   `json:"payload"`           // decrypted
	Collapse string            `json:"collapse,omitempty"`
	// What Kairos put into the payload.
	MessageID string `json:"message_id,omitempty"`
	DeviceID  string `json:"device_id,omitempty"`
	Token     string `json:"token,omitempty"`
}

// Inspector keeps what arrived.
type Inspector struct {
	mu     sync.Mutex
	keep   int
	seq    int
	counts map[string]int
	list   []Arrival // a ring once it is full
	subs   map[int]func(Arrival)
	nextID int
	log    io.Writer
	logErr error
}

func newInspector(keep int, log io.Writer) *Inspector {
	return &Inspector{keep: keep, counts: map[string]int{}, subs: map[int]func(Arrival){}, log: log}
}

// arrived records an accepted push and tells the subscribers, before the sender gets its answer.
func (i *Inspector) arrived(a Arrival) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seq++
	a.Seq = i.seq
	i.counts[a.Gateway]++
	if len(i.list) < i.keep {
		i.list = append(i.list, a)
	} else {
		i.list[(i.seq-1)%i.keep] = a
	}
	if i.log != nil && i.logErr == nil {
		line, err := json.Marshal(a)
		if err == nil {
			_, err = i.log.Write(append(line, '\n'))
		}
		i.logErr = err
	}
	for _, fn := range i.subs {
		fn(a)
	}
}

// Arrivals lists the newest accepted pushes, oldest first.
func (i *Inspector) Arrivals() []Arrival {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.list) < i.keep {
		return append([]Arrival(nil), i.list...)
	}
	at := i.seq % i.keep
	return append(append([]Arrival(nil), i.list[at:]...), i.list[:at]...)
}

// Accepted counts all pushes that a gateway has accepted; "" counts those of all gateways.
func (i *Inspector) Accepted(gateway string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if gateway == "" {
		return i.seq
	}
	return i.counts[gateway]
}

// LogError is the first error of writing the log.
func (i *Inspector) LogError() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.logErr
}

// Subscribe calls fn for every push from now on, in order, until the returned function is called. fn must not block:
// the sender waits for it.
func (i *Inspector) Subscribe(fn func(Arrival)) (cancel func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id := i.nextID
	i.nextID++
	i.subs[id] = fn
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(i.subs, id)
	}
}
