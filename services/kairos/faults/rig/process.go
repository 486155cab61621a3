package rig

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/kairos-push/kairos/pkg/clock"
)

// Process is one service as a program of its own: it can be killed, frozen and started again.
type Process struct {
	Name  string
	admin string // address
	path  string
	args  []string
	log   string
	stdin io.Reader

	mu   sync.Mutex
	cmd  *exec.Cmd
	dead chan struct{}
}

// Start starts it with more environment than the suite's own.
func (p *Process) Start(env ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.path, p.args...) //nolint:gosec,noctx // a program of this suite, ended by Close
	cmd.Stdout, cmd.Stderr, cmd.Stdin = out, out, p.stdin
	cmd.Env = append(slices.DeleteFunc(os.Environ(), kairos), env...)
	// If the suite is killed its programs go too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_ = cmd.Wait() // killed on purpose, mostly
	}()
	p.cmd, p.dead = cmd, dead
	return nil
}

// kairos keeps settings of the shell away from the services.
func kairos(entry string) bool { return len(entry) > 7 && entry[:7] == "KAIROS_" }

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s)
	}
}

// End sends a signal and waits until the process is gone.
func (p *Process) End(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(s)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	<-p.dead
	p.cmd = nil
}

// Ended says how the process's log ends, if the process has ended and was not asked to.
func (p *Process) Ended() error {
	select {
	case <-p.Dead():
		return fmt.Errorf("%s ended by itself: %s", p.Name, p.tail())
	default:
		return nil
	}
}

// Dead is closed when the process has ended.
func (p *Process) Dead() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// Ready asks the admin port.
func (p *Process) Ready() error {
	if err := p.Ended(); err != nil {
		return err
	}
	client := http.Client{Timeout: 3 * time.Second}
	res, err := client.Get("http://" + p.admin + "/readyz") //nolint:noctx // bounded by the client
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return fmt.Errorf("%s: %s", p.Name, text)
	}
	return nil
}

func (p *Process) tail() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-400):])
}

// program makes a service of this run.
func (r *Rig) program(name string, port int, args ...string) *Process {
	p := &Process{
		Name: name, path: filepath.Join(r.cfg.Bin, base(name)), log: filepath.Join(r.Dir, name+".log"),
		admin: fmt.Sprintf("127.0.0.1:%d", port),
	}
	p.args = append(args,
		"--admin-addr", p.admin, "--kafka-brokers", join(r.Kafka.Brokers()), "--kafka-prefix", r.Prefix,
		"--apps-file", filepath.Join(r.Dir, AppsFile), "--log-format", "json", "--log-level", "info")
	if base(name) != "ingest" {
		p.args = append(p.args, r.redisArgs...)
	}
	return p
}

// Await waits until ok says nil.
func Await(limit time.Duration, ok func() error) error {
	var clk clock.Clock
	for begun := clk.Now(); ; {
		err := ok()
		if err == nil || clk.Since(begun) > limit {
			return err
		}
		<-clk.Timer(100 * time.Millisecond).C
	}
}
