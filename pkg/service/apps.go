package service

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kairos-push/kairos/pkg/topic"
)

// App is one app that Kairos serves.
type App struct {
	AppID string `yaml:"app_id"`
	// APIKeys open the HTTP API for this app ("Authorization: Bearer KEY").
	APIKeys []string `yaml:"api_keys"`
	// Topics is the start of the names of the app's input topics, without the general prefix: with "in." it produces to
	// kairos.in.messages.v1, with "in.shop." to kairos.in.shop.messages.v1. Empty: the app uses the HTTP API only.
	Topics string `yaml:"topics"`
	// ReceiptSecret signs the token that a push carries and its receipts bring back. Empty: receipts are not checked.
	ReceiptSecret string `yaml:"receipt_secret"`
	// Providers holds the credentials; dispatch knows their shape (DecodeProviders).
	Providers yaml.Node `yaml:"providers"`
	// Dir is where the file lies; relative paths in Providers start here.
	Dir string `yaml:"-"`
}

// Demo is the app that is served when no file is given.
var Demo = App{AppID: "demo", APIKeys: []string{"demo"}, Topics: "in.", ReceiptSecret: "demo-receipts"}

// Input is one input topic of an app; Kind is the topic of topic.Inputs that it stands for.
type Input struct {
	App   *App
	Kind  topic.Topic
	Topic topic.Topic
}

// Apps are all apps of a deployment.
type Apps struct {
	list    []*App
	byID    map[string]*App
	byKey   map[[sha256.Size]byte]*App
	byTopic map[string]Input
}

// LoadApps reads an apps file; an empty path gives the demo app alone.
func LoadApps(path string) (*Apps, error) {
	if path == "" {
		return NewApps(Demo)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("apps: %w", err)
	}
	var file struct {
		Apps []App `yaml:"apps"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("apps: %s: %w", path, err)
	}
	for i := range file.Apps {
		file.Apps[i].Dir = filepath.Dir(path)
	}
	apps, err := NewApps(file.Apps...)
	if err != nil {
		return nil, fmt.Errorf("apps: %s: %w", path, err)
	}
	return apps, nil
}

// NewApps checks that ids, keys and topics are unambiguous.
func NewApps(list ...App) (*Apps, error) {
	a := &Apps{byID: map[string]*App{}, byKey: map[[sha256.Size]byte]*App{}, byTopic: map[string]Input{}}
	var errs []error
	if len(list) == 0 {
		errs = append(errs, errors.New("no app is given"))
	}
	for i := range list {
		app := &list[i]
		if app.AppID == "" || len(app.AppID) > 64 || strings.ContainsAny(app.AppID, "| \t\n") {
			errs = append(errs, fmt.Errorf("app_id %q: want 1 to 64 bytes without \"|\" and white space", app.AppID))
		}
		if a.byID[app.AppID] != nil {
			errs = append(errs, fmt.Errorf("app_id %q is given twice", app.AppID))
		}
		a.byID[app.AppID] = app
		for n, key := range app.APIKeys {
			sum := sha256.Sum256([]byte(key))
			if key == "" {
				errs = append(errs, fmt.Errorf("app %s: api_keys[%d] is empty", app.AppID, n))
			} else if other := a.byKey[sum]; other != nil {
				errs = append(errs, fmt.Errorf("app %s: api_keys[%d] is also a key of app %s", app.AppID, n, other.AppID))
			}
			a.byKey[sum] = app
		}
		for _, in := range app.Inputs() {
			if other, ok := a.byTopic[in.Topic.Name]; ok {
				errs = append(errs, fmt.Errorf("app %s: topic %s belongs to app %s already", app.AppID, in.Topic.Name, other.App.AppID))
			}
			a.byTopic[in.Topic.Name] = in
		}
		a.list = append(a.list, app)
	}
	return a, errors.Join(errs...)
}

// All apps in the order of the file.
func (a *Apps) All() []*App { return a.list }

// ByID finds an app by its id.
func (a *Apps) ByID(id string) (*App, bool) {
	app, ok := a.byID[id]
	return app, ok
}

// ByKey finds the app of an API key. Keys are compared by their hash, so timing tells nothing about them.
func (a *Apps) ByKey(key string) (*App, bool) {
	app, ok := a.byKey[sha256.Sum256([]byte(key))]
	return app, ok
}

// ByTopic finds the app that an input topic (without prefix) is bound to, and the kind of its records.
func (a *Apps) ByTopic(name string) (Input, bool) {
	in, ok := a.byTopic[name]
	return in, ok
}

// Inputs are the input topics of all apps.
func (a *Apps) Inputs() []topic.Topic {
	var out []topic.Topic
	for _, app := range a.list {
		for _, in := range app.Inputs() {
			out = append(out, in.Topic)
		}
	}
	return out
}

// Inputs are the app's own input topics; none when it uses the HTTP API only.
func (a *App) Inputs() []Input {
	if a.Topics == "" {
		return nil
	}
	out := make([]Input, len(topic.Inputs))
	for i, kind := range topic.Inputs {
		t := kind
		t.Name = a.Topics + strings.TrimPrefix(kind.Name, "in.")
		out[i] = Input{App: a, Kind: kind, Topic: t}
	}
	return out
}

// DecodeProviders reads the credentials into v, a pointer to a struct with yaml tags; unknown keys are errors.
func (a *App) DecodeProviders(v any) error {
	if a.Providers.IsZero() {
		return nil
	}
	data, err := yaml.Marshal(&a.Providers)
	if err != nil {
		return fmt.Errorf("app %s: providers: %w", a.AppID, err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("app %s: providers: %w", a.AppID, err)
	}
	return nil
}

// Path resolves a path of the apps file.
func (a *App) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(a.Dir, p)
}
