package apns_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/payload"
	"github.com/sideshow/apns2/token"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/apns"
	"github.com/kairos-push/kairos/services/dispatch/internal/gauge"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// The server runs in a process of its own, so that CPU and allocations are the clients' alone. It speaks just enough
// HTTP/2 to answer every push with 200 after a fixed time, at a small cost.
const serverEnv = "KAIROS_BENCH_SERVER"

func TestMain(m *testing.M) {
	if latency := os.Getenv(serverEnv); latency != "" {
		d, err := time.ParseDuration(latency)
		if err == nil {
			err = benchServer(d)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func benchServer(latency time.Duration) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return err
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	fmt.Print(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	go func() { // dies with the benchmark
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		go serveConn(nc, latency)
	}
}

type answer struct {
	id uint32
	at time.Time
}

func serveConn(nc net.Conn, latency time.Duration) {
	defer nc.Close()
	br, bw := bufio.NewReaderSize(nc, 64<<10), bufio.NewWriterSize(nc, 64<<10)
	if _, err := br.Discard(len(http2.ClientPreface)); err != nil {
		return
	}
	fr := http2.NewFramer(bw, br)
	fr.SetReuseFrames()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSize(0)
	_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = enc.WriteField(hpack.HeaderField{Name: "apns-id", Value: "123e4567-e89b-12d3-a456-426655440000", Sensitive: true})
	_ = fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000})
	_ = bw.Flush()
	var mu sync.Mutex
	answers := make(chan answer, 1<<16)
	go func() {
		write := func(a answer) {
			if d := time.Until(a.at); d > 0 {
				mu.Lock()
				_ = bw.Flush()
				mu.Unlock()
				time.Sleep(d)
			}
			mu.Lock()
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: a.id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
			mu.Unlock()
		}
		for a := range answers {
			write(a)
			for more := true; more; {
				select {
				case a = <-answers:
					write(a)
				default:
					more = false
				}
			}
			mu.Lock()
			_ = bw.Flush()
			mu.Unlock()
		}
	}()
	defer close(answers)
	var unacked uint32
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				mu.Lock()
				_ = fr.WriteSettingsAck()
				_ = bw.Flush()
				mu.Unlock()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				mu.Lock()
				_ = fr.WritePing(true, f.Data)
				_ = bw.Flush()
				mu.Unlock()
			}
		case *http2.DataFrame:
			if unacked += f.Length; unacked > 16<<10 {
				mu.Lock()
				_ = fr.WriteWindowUpdate(0, unacked)
				_ = bw.Flush()
				mu.Unlock()
				unacked = 0
			}
			if f.StreamEnded() {
				answers <- answer{id: f.StreamID, at: time.Now().Add(latency)}
			}
		}
	}
}

// server starts the server's process.
func server(b *testing.B, latency time.Duration) (addr string, pool *x509.CertPool) {
	b.Helper()
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+latency.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	var cert strings.Builder
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if addr == "" {
			addr = sc.Text()
			continue
		}
		cert.WriteString(sc.Text() + "\n")
		if strings.Contains(sc.Text(), "END") {
			break
		}
	}
	pool = x509.NewCertPool()
	require.True(b, pool.AppendCertsFromPEM([]byte(cert.String())))
	return addr, pool
}

// inFlight is how many pushes the callers have under way: for plain apns2 what it is fastest with.
const (
	inFlight      = 2048
	inFlightPlain = 512
)

// measure sends b.N pushes and reports rate, CPU, and the spread of the time until the answer.
func measure(b *testing.B, spread func(n int, one func(i int)), send func(i int) error) {
	b.Helper()
	took := make([]int64, b.N)
	var failed atomic.Int64
	one := func(i int) {
		begun := time.Now()
		if err := send(i); err != nil {
			failed.Add(1)
		}
		took[i] = int64(time.Since(begun))
	}
	for i := range min(b.N, 64) { // connections, token
		one(i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	cpu := gauge.CPU()
	spread(b.N, one)
	b.StopTimer()
	used := gauge.CPU() - cpu
	require.Zero(b, failed.Load())
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pushes/s")
	b.ReportMetric(float64(b.N)/used.Seconds(), "pushes/core-s")
	b.ReportMetric(float64(took[b.N/2])/1e6, "p50-ms")
	b.ReportMetric(float64(took[b.N*99/100])/1e6, "p99-ms")
}

// workers share the pushes out among so many goroutines.
func workers(many int) func(n int, one func(i int)) {
	return func(n int, one func(i int)) {
		var next atomic.Int64
		var wg sync.WaitGroup
		for range min(many, n) {
			wg.Go(func() {
				for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
					one(int(i))
				}
			})
		}
		wg.Wait()
	}
}

// paced starts so many pushes a second, whatever becomes of those before.
func paced(perSecond int) func(n int, one func(i int)) {
	return func(n int, one func(i int)) {
		jobs := make(chan int, n)
		var wg sync.WaitGroup
		for range inFlight {
			wg.Go(func() {
				for i := range jobs {
					one(i)
				}
			})
		}
		begun := time.Now()
		for i := 0; i < n; {
			due := min(int(time.Since(begun)*time.Duration(perSecond)/time.Second), n)
			for ; i < due; i++ {
				jobs <- i
			}
			time.Sleep(500 * time.Microsecond)
		}
		close(jobs)
		wg.Wait()
	}
}

// gorush starts a goroutine for every push, 100 at a time (its default), over one client.
func gorush(n int, one func(i int)) {
	slots := make(chan struct{}, 100)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			one(i)
			<-slots
		})
	}
	wg.Wait()
}

func plain(b *testing.B, addr string, pool *x509.CertPool, key *ecdsa.PrivateKey) func(i int) error {
	b.Helper()
	c := apns2.NewTokenClient(&token.Token{AuthKey: key, KeyID: "K", TeamID: "T"})
	c.Host = "https://" + addr
	c.HTTPClient.Transport.(*http2.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12} //nolint:staticcheck // apns2 brings this transport
	b.Cleanup(c.CloseIdleConnections)
	return func(i int) error {
		p := payload.NewPayload().AlertTitle("Your order").AlertBody("It is on its way to you and will arrive at noon.").
			SoundName("default").MutableContent().ThreadID("orders").RelevanceScore(0.5).
			Custom("kairos", map[string]string{"message_id": "m", "device_id": "d", "token": "abcdefghijklmnopqrstuvwxyz012345"})
		r, err := c.PushWithContext(context.Background(), &apns2.Notification{
			ApnsID: "123e4567-e89b-12d3-a456-426655440000", DeviceToken: fmt.Sprintf("%064x", i), Topic: "com.example.app", CollapseID: "m",
			Expiration: time.Now().Add(time.Hour), Priority: 10, PushType: apns2.PushTypeAlert, Payload: p,
		})
		if err == nil && !r.Sent() {
			err = fmt.Errorf("status %d", r.StatusCode)
		}
		return err
	}
}

func ours(b *testing.B, addr string, pool *x509.CertPool, key *ecdsa.PrivateKey) func(i int) error {
	b.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(b, err)
	s, err := apns.New(apns.Credentials{
		Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), KeyID: "K", TeamID: "T", Topic: "com.example.app",
		Endpoint: "https://" + addr, RootCAs: pool,
	}, apns.Options{})
	require.NoError(b, err)
	b.Cleanup(s.Close)
	m := &event.Message{MessageID: "m", Category: "orders", Title: "Your order", Body: "It is on its way to you and will arrive at noon."}
	return func(i int) error {
		now := time.Now()
		p := push.Push{
			ID: "123e4567-e89b-12d3-a456-426655440000", CollapseID: "m", DeviceID: "d", Address: fmt.Sprintf("%064x", i),
			Expires: now.Add(time.Hour), Urgent: true, Token: "abcdefghijklmnopqrstuvwxyz012345", Score: 0.5, Message: m,
		}
		if v := s.Send(context.Background(), &p, now); v.Class != push.Sent {
			return fmt.Errorf("%+v", v)
		}
		return nil
	}
}

// BenchmarkAPNs compares apns2 used plainly, gorush's way, and ours, against the same server.
func BenchmarkAPNs(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		for _, way := range []struct {
			name   string
			spread func(int, func(int))
			sender func(*testing.B, string, *x509.CertPool, *ecdsa.PrivateKey) func(int) error
		}{
			{"apns2", workers(inFlightPlain), plain},
			{"gorush", gorush, plain},
			{"kairos", workers(inFlight), ours},
		} {
			b.Run(fmt.Sprintf("latency=%s/%s", latency, way.name), func(b *testing.B) {
				addr, pool := server(b, latency)
				measure(b, way.spread, way.sender(b, addr, pool, key))
			})
		}
	}
}

// BenchmarkAPNsPaced is the time until the answer at 10,000 pushes a second, which is no challenge: it should be the
// server's latency and little more.
func BenchmarkAPNsPaced(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	addr, pool := server(b, 20*time.Millisecond)
	measure(b, paced(10_000), ours(b, addr, pool, key))
}
