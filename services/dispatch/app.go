package dispatch

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/dispatch/apns"
	"github.com/kairos-push/kairos/services/dispatch/fcm"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/webpush"
)

// App is what dispatch needs to know of an app: its credentials, and how fast it may send.
type App struct {
	APNs *apns.Credentials
	// OtherAPNs are for further teams and topics (bundle ids). A push says which it wants (apns.TopicOf).
	OtherAPNs     []apns.Credentials
	FCM           *fcm.Credentials
	WebPush       *webpush.Credentials
	ReceiptSecret []byte
	Rate          Rate
	// Err is why the app's credentials could not be read; its pushes wait, those of others go on.
	Err error
	// version changes when anything above does.
	version string
}

// Rate limits the attempts of an app. The zero value is no limit.
type Rate struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     int     `yaml:"burst"`
}

// Loader reads the apps. It is asked again and again, and so credentials can change without a restart.
type Loader func() (map[string]App, error)

// Fixed is a Loader of apps that never change.
func Fixed(apps map[string]App) Loader {
	return func() (map[string]App, error) { return apps, nil }
}

// providers is the section "providers" of an app in the apps file. Secrets may stand in it, or in files of their own,
// whose paths start at the apps file.
type providers struct {
	APNs      *apnsSection  `yaml:"apns"`
	OtherAPNs []apnsSection `yaml:"other_apns"`
	FCM       *struct {
		ServiceAccount     string `yaml:"service_account"`
		ServiceAccountFile string `yaml:"service_account_file"`
		Endpoint           string `yaml:"endpoint"`
		ValidateOnly       bool   `yaml:"validate_only"`
		CAFile             string `yaml:"ca_file"`
	} `yaml:"fcm"`
	WebPush *struct {
		PublicKey      string `yaml:"public_key"`
		PrivateKey     string `yaml:"private_key"`
		PrivateKeyFile string `yaml:"private_key_file"`
		Subscriber     string `yaml:"subscriber"`
		AllowPrivate   bool   `yaml:"allow_private"`
		CAFile         string `yaml:"ca_file"`
	} `yaml:"webpush"`
	Rate Rate `yaml:"rate"`
}

type apnsSection struct {
	Key             string `yaml:"key"`
	KeyFile         string `yaml:"key_file"`
	KeyID           string `yaml:"key_id"`
	TeamID          string `yaml:"team_id"`
	CertificateFile string `yaml:"certificate_file"`
	Topic           string `yaml:"topic"`
	Endpoint        string `yaml:"endpoint"`
	CAFile          string `yaml:"ca_file"`
}

// FromFile loads the apps file at path and every file that it names.
func FromFile(path string) Loader {
	return func() (map[string]App, error) {
		list, err := service.LoadApps(path)
		if err != nil {
			return nil, err
		}
		out := map[string]App{}
		for _, a := range list.All() {
			out[a.AppID] = readApp(a)
		}
		return out, nil
	}
}

// readApp reads one app. Its faults are its own: they do not keep the others from being served.
func readApp(a *service.App) App {
	r := reader{app: a}
	out := App{ReceiptSecret: []byte(a.ReceiptSecret)}
	var p providers
	r.fail(a.DecodeProviders(&p))
	if p.APNs != nil {
		c := r.apns(*p.APNs)
		out.APNs = &c
	}
	for _, c := range p.OtherAPNs {
		out.OtherAPNs = append(out.OtherAPNs, r.apns(c))
	}
	if c := p.FCM; c != nil {
		r.see("fcm", *c)
		out.FCM = &fcm.Credentials{
			ServiceAccount: r.secret(c.ServiceAccount, c.ServiceAccountFile), Endpoint: c.Endpoint,
			ValidateOnly: c.ValidateOnly, RootCAs: r.pool(c.CAFile),
		}
	}
	if c := p.WebPush; c != nil {
		r.see("webpush", *c)
		out.WebPush = &webpush.Credentials{
			PublicKey: c.PublicKey, PrivateKey: string(r.secret(c.PrivateKey, c.PrivateKeyFile)), Subscriber: c.Subscriber,
			AllowPrivate: c.AllowPrivate, RootCAs: r.pool(c.CAFile),
		}
	}
	out.Rate, out.Err = p.Rate, errors.Join(r.errs...)
	r.see("rest", p.Rate, a.ReceiptSecret, out.Err)
	sum := sha256.Sum256(fmt.Append(nil, r.seen))
	out.version = hex.EncodeToString(sum[:])
	return out
}

// reader reads the files of an app and remembers all that it saw, to tell one version from the next.
type reader struct {
	app  *service.App
	seen []string
	errs []error
}

func (r *reader) see(section string, values ...any) {
	r.seen = append(r.seen, fmt.Sprintf("%s %+v", section, values))
}

func (r *reader) fail(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

func (r *reader) apns(c apnsSection) apns.Credentials {
	r.see("apns", c)
	return apns.Credentials{
		Key: r.secret(c.Key, c.KeyFile), KeyID: c.KeyID, TeamID: c.TeamID, Certificate: r.secret("", c.CertificateFile),
		Topic: c.Topic, Endpoint: c.Endpoint, RootCAs: r.pool(c.CAFile),
	}
}

// secret is the text itself or the content of a file.
func (r *reader) secret(text, file string) []byte {
	if file == "" {
		return []byte(text)
	}
	if text != "" {
		r.fail(fmt.Errorf("%s: a text and a file are given for the same thing", file))
	}
	b, err := os.ReadFile(r.app.Path(file))
	r.fail(err)
	r.see(file, string(b))
	return b
}

func (r *reader) pool(file string) *x509.CertPool {
	if file == "" {
		return nil
	}
	pem := r.secret("", file)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		r.fail(fmt.Errorf("%s: no certificate in PEM form", file))
	}
	return pool
}

// Dialer opens connections to providers; nil is TCP.
type Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// senders makes a sender for each way out that the app has credentials for, and says what is wrong with the others.
// A way is a channel, or one of the app's other APNs topics.
func (a App) senders(dial Dialer, clk clock.Clock) (map[string]push.Sender, map[string]error) {
	out, faults := map[string]push.Sender{}, map[string]error{}
	add := func(way string, s push.Sender, err error) {
		if err != nil {
			faults[way] = err
		} else {
			out[way] = s
		}
	}
	if a.APNs != nil {
		s, err := apns.New(*a.APNs, apns.Options{Dial: dial, Clock: clk})
		add("apns", s, err)
	}
	for _, c := range a.OtherAPNs {
		s, err := apns.New(c, apns.Options{Dial: dial, Clock: clk})
		add(otherWay(c.Topic), s, err)
	}
	if a.FCM != nil {
		s, err := fcm.New(*a.FCM, fcm.Options{Dial: dial, Clock: clk})
		add("fcm", s, err)
	}
	if a.WebPush != nil {
		s, err := webpush.New(*a.WebPush, webpush.Options{Dial: dial})
		add("webpush", s, err)
	}
	return out, faults
}

func otherWay(topic string) string { return "apns " + topic }

// way is how a push of the app leaves: by its channel, or by the other APNs credentials that serve the topic it wants.
func (a App) way(to event.Target, m *event.Message) string {
	if to.Channel == event.ChannelAPNs && len(a.OtherAPNs) > 0 {
		if topic := apns.TopicOf(to.Address, m); topic != "" {
			for _, c := range a.OtherAPNs {
				if apns.Serves(c.Topic, topic) {
					return otherWay(c.Topic)
				}
			}
		}
	}
	return to.Channel
}
