package rig

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/pipetest"
)

// Process is one service as a program of its own.
type Process struct {
	pipetest.Process
	Name  string
	admin string // address
}

// start starts it with settings of its own, and none of the suite's.
func (p *Process) start(settings []string) error {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "KAIROS_") })
	if err := p.Start(append(env, settings...)...); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return nil
}

// Ended says how the process's log ends, if the process has ended and was not asked to.
func (p *Process) Ended() error {
	select {
	case <-p.Dead():
		return fmt.Errorf("%s ended by itself: %s", p.Name, p.Said())
	default:
		return nil
	}
}

// Frozen says nothing of a process that has been stopped.
func (p *Process) Frozen() error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.ID()))
	if err != nil {
		return err
	}
	if _, after, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(after, "T") {
		return fmt.Errorf("%s is not frozen: %.1s", p.Name, after)
	}
	return nil
}

// Ready asks the admin port.
func (p *Process) Ready() error {
	if err := p.Ended(); err != nil {
		return err
	}
	_, err := p.ask("/readyz")
	return err
}

// Owns says how many partitions are missing until the process reads all of them.
func (p *Process) Owns() error {
	text, err := p.Metrics()
	if err != nil {
		return err
	}
	own := map[string]bool{}
	for _, found := range read.FindAllStringSubmatch(text, -1) {
		own[found[1]] = true
	}
	if missing := Partitions - len(own); missing > 0 {
		return fmt.Errorf("%s does not own %d partitions yet", p.Name, missing)
	}
	return nil
}

// read is the lag of a partition, which its owner tells.
var read = regexp.MustCompile(`(?m)^kairos_stream_lag_records\{.*partition="(\d+)"`)

// Metrics is what the admin port tells.
func (p *Process) Metrics() (string, error) { return p.ask("/metrics") }

func (p *Process) ask(path string) (string, error) {
	client := http.Client{Timeout: 3 * time.Second}
	res, err := client.Get("http://" + p.admin + path) //nolint:noctx // bounded by the client
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", p.Name, path, text)
	}
	return string(text), err
}

// program makes a service of this run.
func (r *Rig) program(name string, port int, args ...string) *Process {
	p := &Process{Name: name, admin: fmt.Sprintf("127.0.0.1:%d", port)}
	p.Log = filepath.Join(r.Dir, name+".log")
	p.Command = append([]string{filepath.Join(r.cfg.Bin, base(name))}, args...)
	p.Command = append(p.Command,
		"--admin-addr", p.admin, "--kafka-brokers", join(r.Kafka.Brokers()), "--kafka-prefix", r.Prefix,
		"--apps-file", filepath.Join(r.Dir, AppsFile), "--log-format", "json", "--log-level", "info")
	if base(name) != "ingest" {
		p.Command = append(p.Command, r.redisArgs...)
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
