package pipetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// Process is a program that can be killed, frozen and started again with the same command. If whoever started it is
// killed, it goes too.
type Process struct {
	Command []string
	Log     string // file that gets what it says

	mu   sync.Mutex
	cmd  *exec.Cmd
	dead chan struct{}
}

// Start starts it, with this environment; without one, with the caller's.
func (p *Process) Start(env ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.Command[0], p.Command[1:]...) //nolint:gosec,noctx // a program of the caller's, ended by End
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_ = cmd.Wait() // killed on purpose, mostly; readiness shows the rest
	}()
	p.cmd, p.dead = cmd, dead
	return nil
}

// ID is the process's id; 0 if it was never started or has been ended.
func (p *Process) ID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s)
	}
}

// End sends a signal and waits for the process to be gone.
func (p *Process) End(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(s)
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // a frozen process takes only SIGKILL
	<-p.dead
	p.cmd = nil
}

// Dead is closed when the process that was started last has ended.
func (p *Process) Dead() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// Alive says whether it runs, or is frozen.
func (p *Process) Alive() bool {
	if p.ID() == 0 {
		return false
	}
	select {
	case <-p.Dead():
		return false
	default:
		return true
	}
}

// Said is the end of its log.
func (p *Process) Said() string {
	data, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-4000):])
}

// freePorts are ports of 127.0.0.1 that nobody listened on a moment ago.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
		if err != nil {
			return nil, err
		}
		defer ln.Close() // all at the end, so that they differ
		ports[i] = ln.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
