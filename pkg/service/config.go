package service

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// Config is the part of the configuration that all programs share. Flags win over KAIROS_* variables, those over the
// YAML file of --config; the names are the same in all three (kafka-brokers, KAIROS_KAFKA_BROKERS, kafka: {brokers: …}).
type Config struct {
	Kafka Kafka `embed:"" prefix:"kafka-" group:"Kafka"`
	Redis Redis `embed:"" prefix:"redis-" group:"Redis"`
	Log   Log   `embed:"" prefix:"log-" group:"Operation"`

	Admin   string        `name:"admin-addr" help:"Address of the admin port: /livez, /readyz, /metrics. Empty: none." default:":9090" group:"Operation"`
	OTLP    string        `name:"otlp-endpoint" help:"Where traces go, OTLP over HTTP: http://collector:4318. Empty: no traces." group:"Operation"`
	Drain   time.Duration `help:"How long a stop may take before the rest is cut off." default:"25s" group:"Operation"`
	Policy  string        `help:"Policy file that replaces the defaults." group:"Files"`
	Apps    string        `name:"apps-file" help:"File with the apps served: keys, topics, secrets, provider credentials. Default: one app, demo." group:"Files"`
	ConfigF string        `name:"config" help:"YAML file with any of these settings." group:"Files"`

	PrintConfig bool `help:"Print the configuration that is in effect, secrets masked, and exit." group:"Operation"`
	Probe       bool `help:"Ask a running process on the admin port whether it is ready, and exit with 0 if it is." group:"Operation"`
}

// Kafka says how to reach the brokers.
type Kafka struct {
	Brokers []string `help:"Bootstrap brokers, host:port." default:"localhost:9092"`
	Prefix  string   `help:"Prefix of all topics and consumer groups." default:"kairos."`
	TLS     TLS      `embed:"" prefix:"tls-"`
	SASL    SASL     `embed:"" prefix:"sasl-"`
}

// SASL is how to log in to Kafka.
type SASL struct {
	Mechanism string `help:"Log in with plain, scram-sha-256 or scram-sha-512." enum:",plain,scram-sha-256,scram-sha-512" default:""`
	Username  string `help:"User to log in as."`
	Password  string `help:"Password to log in with." secret:""`
}

// Redis says how to reach Redis or Valkey.
type Redis struct {
	Addrs    []string `help:"Addresses, host:port; several for a cluster." default:"localhost:6379"`
	Cluster  bool     `help:"Redis Cluster."`
	Username string   `help:"User to log in as."`
	Password string   `help:"Password to log in with." secret:""`
	TLS      TLS      `embed:"" prefix:"tls-"`
}

// TLS of a client.
type TLS struct {
	Enabled  bool   `help:"Use TLS."`
	CA       string `help:"PEM file of the authorities to trust instead of the system's."`
	Cert     string `help:"PEM file of the client certificate."`
	Key      string `help:"PEM file of the client certificate's key."`
	Insecure bool   `help:"Do not verify the server's certificate."`
}

// Client is the TLS configuration, or nil when TLS is off.
func (t TLS) Client() (*tls.Config, error) {
	if !t.Enabled {
		if t.CA != "" || t.Cert != "" || t.Key != "" || t.Insecure {
			return nil, errors.New("tls: settings are given but tls-enabled is not")
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.Insecure} //nolint:gosec // the operator asks for it by name
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls-ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls-ca: %s holds no certificate in PEM form", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("tls: tls-cert and tls-key go together")
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls-cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Validate checks what a flag's type cannot; Parse calls it.
func (c *Config) Validate() error {
	var errs []error
	if c.Kafka.SASL.Mechanism == "" && (c.Kafka.SASL.Username != "" || c.Kafka.SASL.Password != "") {
		errs = append(errs, errors.New("kafka-sasl-mechanism: needed with kafka-sasl-username or kafka-sasl-password"))
	}
	if len(c.Redis.Addrs) > 1 && !c.Redis.Cluster {
		errs = append(errs, errors.New("redis-addrs: several addresses need redis-cluster"))
	}
	if c.Drain <= 0 {
		errs = append(errs, fmt.Errorf("drain: must be above zero, is %s", c.Drain))
	}
	return errors.Join(errs...)
}
