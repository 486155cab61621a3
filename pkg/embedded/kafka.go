package embedded

import (
	"context"
	"fmt"
	"net"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaOptions of the embedded broker. The zero value is a broker in memory on a free port of 127.0.0.1.
type KafkaOptions struct {
	// DataDir keeps records, topics and the offsets of groups over restarts. Empty: in memory.
	DataDir string
	// SyncWrites makes a write survive a power cut (fsync per batch), not only a kill of the process.
	SyncWrites bool
	// Listen is host:port; default "127.0.0.1:0".
	Listen string
	// Advertise is the host:port that clients are told to connect to; default: Listen, with the machine itself
	// (127.0.0.1) for a wildcard.
	Advertise string
	// Network replaces TCP by memory. Listen's port must then be given; the default is 9092.
	Network *Network
	// SASL lets in only clients that authenticate with SCRAM-SHA-256 as "admin", password "admin".
	SASL bool
	Log  zerolog.Logger
}

// Network is an in-memory network: usable inside a testing/synctest bubble, where a real socket would stop the clock.
type Network = kfake.VirtualNetwork

// Broker is a running embedded broker.
type Broker struct {
	// Addr is what clients connect to.
	Addr string
	// Dial connects to it by whatever network it is on; it fits stream.Config.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	cluster *kfake.Cluster
}

// Kafka starts a broker; ctx bounds the start, Close ends the broker. Topics are made by clients, not by themselves.
func Kafka(ctx context.Context, o KafkaOptions) (*Broker, error) {
	l := listenFunc(ctx, o)
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.ClusterID("kairos"), kfake.ListenFn(l.listen), kfake.WithLogger(logger{o.Log}),
	}
	if o.DataDir != "" {
		opts = append(opts, kfake.DataDir(o.DataDir))
	}
	if o.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	if o.SASL {
		opts = append(opts, kfake.EnableSASL())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("embedded kafka: %w", err)
	}
	return &Broker{Addr: cluster.ListenAddrs()[0], Dial: l.dial, cluster: cluster}, nil
}

// Cluster is the broker itself, for tests that need its faults.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close stops the broker; with a DataDir everything acknowledged is there at the next start.
func (b *Broker) Close() { b.cluster.Close() }

type network struct {
	listen func(network, address string) (net.Listener, error)
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

func listenFunc(ctx context.Context, o KafkaOptions) network {
	if o.Network != nil {
		addr := o.Listen
		if addr == "" {
			addr = "127.0.0.1:9092"
		}
		return network{
			listen: func(proto, _ string) (net.Listener, error) { return o.Network.Listen(proto, addr) },
			dial:   o.Network.DialContext,
		}
	}
	return network{
		dial: (&net.Dialer{}).DialContext,
		listen: func(_, loopback string) (net.Listener, error) {
			addr := o.Listen
			if addr == "" {
				addr = loopback
			}
			ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
			if err != nil {
				return nil, err
			}
			as, err := advertised(ln.Addr(), o.Advertise)
			return listener{Listener: ln, as: as}, err
		},
	}
}

// listener says its advertised address, because kfake tells clients what its listener says.
type listener struct {
	net.Listener
	as address
}

// Addr implements net.Listener.
func (l listener) Addr() net.Addr { return l.as }

type address string

// Network implements net.Addr.
func (address) Network() string { return "tcp" }

// String implements net.Addr.
func (a address) String() string { return string(a) }

func advertised(bound net.Addr, as string) (address, error) {
	host, port, err := net.SplitHostPort(bound.String())
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if as != "" {
		if host, port, err = net.SplitHostPort(as); err != nil {
			return "", fmt.Errorf("advertise %q: must be host:port: %w", as, err)
		}
	}
	return address(net.JoinHostPort(host, port)), nil
}

// logger passes on what kfake has to complain about.
type logger struct{ log zerolog.Logger }

// Logf implements kfake.Logger.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error().Str("detail", fmt.Sprintf(format, args...)).Msg("embedded_kafka")
	case kfake.LogLevelWarn:
		l.log.Warn().Str("detail", fmt.Sprintf(format, args...)).Msg("embedded_kafka")
	default:
	}
}
