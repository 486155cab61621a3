package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// Names of files in a rig's directory.
const (
	AppsFile  = "apps.yaml"
	PushesLog = "pushes.jsonl"
	AckedLog  = "acked.jsonl"
)

// order is a line that the suite writes to the gateways: a new rule, or none at all from now on, or a browser that
// subscribes to Web Push.
type order struct {
	Rule      *sandbox.Rule `json:"rule,omitempty"`
	Reset     bool          `json:"reset,omitempty"`
	Subscribe string        `json:"subscribe,omitempty"`
}

// Gateways are the providers, in a process of their own. Each order is answered by a line when it is in effect.
type Gateways struct {
	mu     sync.Mutex
	cmd    *exec.Cmd
	orders io.WriteCloser
	answer *bufio.Reader
}

// openGateways starts this program again as the gateways.
func openGateways(dir string) (*Gateways, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	g := &Gateways{cmd: exec.Command(self, "gateways", dir)} //nolint:noctx // this program itself, ended by Close
	g.cmd.Stderr = os.Stderr
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if g.orders, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	g.answer = bufio.NewReader(out)
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	_, err = g.answer.ReadString('\n')
	return g, err
}

// Add puts a rule behind the others.
func (g *Gateways) Add(r sandbox.Rule) error {
	_, err := g.send(order{Rule: &r})
	return err
}

// Reset takes all rules back.
func (g *Gateways) Reset() error {
	_, err := g.send(order{Reset: true})
	return err
}

// Subscribe gives a browser's address.
func (g *Gateways) Subscribe(id string) (string, error) { return g.send(order{Subscribe: id}) }

func (g *Gateways) send(o order) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := json.NewEncoder(g.orders).Encode(o); err != nil {
		return "", err
	}
	line, err := g.answer.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// Close ends the process.
func (g *Gateways) Close() error {
	_ = g.orders.Close()
	return g.cmd.Wait()
}

// ServeGateways is the process: it takes orders from in until in ends.
func ServeGateways(dir string, in io.Reader, out io.Writer) error {
	log, err := os.OpenFile(filepath.Join(dir, PushesLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	g, err := sandbox.Start(context.Background(), sandbox.Options{Log: log})
	if err != nil {
		return err
	}
	defer g.Close()
	if err := writeApps(dir, g); err != nil {
		return err
	}
	orders := json.NewDecoder(in)
	answer := "ok"
	for {
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return err
		}
		answer = "ok"
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return g.LogError()
		} else if err != nil {
			return err
		}
		if o.Reset {
			g.Reset()
		}
		if o.Rule != nil {
			g.Add(*o.Rule)
		}
		if o.Subscribe != "" {
			if answer, err = g.Subscription(o.Subscribe); err != nil {
				return err
			}
		}
	}
}

// writeApps writes the apps file with the credentials that the gateways take.
func writeApps(dir string, g *sandbox.Gateways) error {
	apps := fmt.Sprintf(`apps:
  - app_id: demo
    api_keys: [demo]
    topics: in.
    receipt_secret: fault-suite
    providers:
      apns: {key_file: apns.p8, key_id: %s, team_id: %s, topic: %s, endpoint: %q, ca_file: ca.pem}
      fcm: {service_account_file: fcm.json, endpoint: %q, ca_file: ca.pem}
      webpush: {public_key: %q, private_key: %q, subscriber: ops@example.com, allow_private: true, ca_file: ca.pem}
`, sandbox.KeyID, sandbox.TeamID, sandbox.Topic, g.APNsURL, g.FCMURL, g.VAPIDPublic, g.VAPIDPrivate)
	for name, data := range map[string][]byte{"apns.p8": g.APNsKey, "fcm.json": g.ServiceAccount, "ca.pem": g.CAPEM, AppsFile: []byte(apps)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
