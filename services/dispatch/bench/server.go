package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The server runs in a process of its own, so that processor time and allocations are the senders' alone. It speaks just
// enough HTTP/2 to answer every push after a fixed time, at a small cost.
const serverEnv = "KAIROS_BENCH_SERVER"

// order is what the server is told, and ready what it answers.
type (
	order struct {
		Status  string        `json:"status"`
		Body    string        `json:"body"`
		Latency time.Duration `json:"latency"`
	}
	ready struct {
		Addr string `json:"addr"`
		PEM  []byte `json:"pem"`
	}
)

// target is a running server.
type target struct {
	addr string
	pool *x509.CertPool
	cmd  *exec.Cmd
	in   io.Closer
}

// start starts the server's process.
func start(o order) (*target, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &target{cmd: exec.Command(self), pool: x509.NewCertPool()} //nolint:noctx // this program itself, ended by stop
	t.cmd.Env = append(os.Environ(), serverEnv+"="+string(text))
	t.cmd.Stderr = os.Stderr
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	var r ready
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	t.addr = r.Addr
	t.pool.AppendCertsFromPEM(r.PEM)
	return t, nil
}

// stop ends the server, and says how much processor time it took.
func (t *target) stop() (time.Duration, error) {
	_ = t.in.Close()
	err := t.cmd.Wait()
	return t.cmd.ProcessState.UserTime() + t.cmd.ProcessState.SystemTime(), err
}

func serve(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	cert, err := certificate()
	if err != nil {
		return err
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	pem := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := json.NewEncoder(os.Stdout).Encode(ready{Addr: ln.Addr().String(), PEM: pem}); err != nil {
		return err
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go newSession(nc, o).run()
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin) // until stop
	return err
}

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotAfter: clk.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// session is one connection.
type session struct {
	nc      net.Conn
	br      *bufio.Reader
	in, out *http2.Framer // out writes to bw alone: the answering goroutine's
	bw      *bufio.Writer
	order   order
	block   bytes.Buffer // the answer's fields
	todo    chan frame
}

// frame is what is to be written: an answer, or what the protocol asks for.
type frame struct {
	kind   http2.FrameType
	stream uint32
	at     time.Time
	ping   [8]byte
}

func newSession(nc net.Conn, o order) *session {
	s := &session{nc: nc, br: bufio.NewReaderSize(nc, 64<<10), bw: bufio.NewWriterSize(nc, 64<<10), order: o, todo: make(chan frame, 1<<16)}
	s.in, s.out = http2.NewFramer(io.Discard, s.br), http2.NewFramer(s.bw, nil)
	s.in.SetReuseFrames()
	enc := hpack.NewEncoder(&s.block)
	enc.SetMaxDynamicTableSize(0)
	_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: o.Status})
	_ = enc.WriteField(hpack.HeaderField{Name: "apns-id", Value: pushID, Sensitive: true})
	return s
}

// run reads requests until the connection ends.
func (s *session) run() {
	defer s.nc.Close()
	if _, err := s.br.Discard(len(http2.ClientPreface)); err != nil {
		return
	}
	go s.write()
	defer close(s.todo)
	for {
		f, err := s.in.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				s.todo <- frame{kind: http2.FrameSettings}
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				s.todo <- frame{kind: http2.FramePing, ping: f.Data}
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				s.todo <- frame{kind: http2.FrameHeaders, stream: f.StreamID, at: clk.Now().Add(s.order.Latency)}
			}
		}
	}
}

// write answers; what is due together leaves together. Other frames wait for their turn behind answers, which is well
// within what the protocol allows.
func (s *session) write() {
	_ = s.out.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000})
	_ = s.out.WriteWindowUpdate(0, 1<<30) // more than a round sends
	_ = s.bw.Flush()
	for f := range s.todo {
		s.one(f)
		for more := true; more; {
			select {
			case f, more = <-s.todo:
				if more {
					s.one(f)
				}
			default:
				more = false
			}
		}
		_ = s.bw.Flush()
	}
}

func (s *session) one(f frame) {
	switch f.kind {
	case http2.FrameSettings:
		_ = s.out.WriteSettingsAck()
	case http2.FramePing:
		_ = s.out.WritePing(true, f.ping)
	default:
		if d := f.at.Sub(clk.Now()); d > 0 && s.order.Latency > 0 {
			_ = s.bw.Flush()
			_ = clk.Sleep(ctx, d)
		}
		_ = s.out.WriteHeaders(http2.HeadersFrameParam{
			StreamID: f.stream, BlockFragment: s.block.Bytes(), EndHeaders: true, EndStream: s.order.Body == "",
		})
		if s.order.Body != "" {
			_ = s.out.WriteData(f.stream, true, []byte(s.order.Body))
		}
	}
}
