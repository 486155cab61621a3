package pipetest

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// KafkaOptions of a real cluster. The zero value is one node without a proxy.
type KafkaOptions struct {
	Nodes      int               // 1, or 3 with replication 3 and two in-sync replicas needed
	Proxied    bool              // clients reach every node through a toxiproxy
	Properties map[string]string // more broker properties
}

// Kafka is a running Apache Kafka cluster in KRaft mode, every node both broker and controller.
type Kafka struct {
	Nodes []*KafkaNode
}

// KafkaNode is one node of it.
type KafkaNode struct {
	Addr  string           // what clients connect to
	Proxy *toxiproxy.Proxy // nil if not proxied
	proc  Process
}

// StartKafka starts a cluster for one test.
func StartKafka(tb testing.TB, o KafkaOptions) *Kafka {
	tb.Helper()
	k, err := startKafka(tb.TempDir(), o)
	require.NoError(tb, err)
	tb.Cleanup(k.Close)
	return k
}

// Brokers are the addresses of all nodes.
func (k *Kafka) Brokers() []string {
	addrs := make([]string, len(k.Nodes))
	for i, n := range k.Nodes {
		addrs[i] = n.Addr
	}
	return addrs
}

// Close kills all nodes.
func (k *Kafka) Close() {
	for _, n := range k.Nodes {
		n.Kill()
		if n.Proxy != nil {
			n.Proxy.Stop()
		}
	}
}

// Kill is kill -9.
func (n *KafkaNode) Kill() { n.proc.End(syscall.SIGKILL) }

// Stop freezes the node (SIGSTOP): connections stay open and nothing answers.
func (n *KafkaNode) Stop() { n.proc.Signal(syscall.SIGSTOP) }

// Cont wakes it.
func (n *KafkaNode) Cont() { n.proc.Signal(syscall.SIGCONT) }

// Start starts a killed node again on its data. It does not wait until it serves.
func (n *KafkaNode) Start(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, n.proc.Start())
}

// AwaitReady waits until all nodes are in the cluster and one is its controller.
func (k *Kafka) AwaitReady(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers()...))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		for _, n := range k.Nodes {
			if !n.proc.Alive() {
				return fmt.Errorf("kafka at %s is not running: %s", n.Addr, n.proc.Said())
			}
		}
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		res, err := kmsg.NewPtrMetadataRequest().RequestWith(attempt, cl)
		cancel()
		if err == nil && len(res.Brokers) == len(k.Nodes) && res.ControllerID >= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kafka is not ready: %w; node 1 said: %s", errors.Join(ctx.Err(), err), k.Nodes[0].proc.Said())
		case <-time.After(100 * time.Millisecond): //nolint:forbidigo // real processes live in real time
		}
	}
}

//go:embed log4j2.properties
var log4j []byte

func startKafka(dir string, o KafkaOptions) (*Kafka, error) {
	libs, err := kafkaLibs()
	if err != nil {
		return nil, err
	}
	nodes := max(1, o.Nodes)
	ports, err := freePorts(3 * nodes) // clients, other brokers, controllers
	if err != nil {
		return nil, err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	id[0] = 'k' // a cluster id must not begin with a dash
	cluster := base64.RawURLEncoding.EncodeToString(id[:])
	voters := make([]string, nodes)
	for i := range nodes {
		voters[i] = fmt.Sprintf("%d@%s", i+1, local(ports[3*i+2]))
	}
	if err := os.WriteFile(filepath.Join(dir, "log4j2.properties"), log4j, 0o600); err != nil {
		return nil, err
	}
	java := []string{
		"java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:ActiveProcessorCount=2", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dlog4j2.configurationFile=" + filepath.Join(dir, "log4j2.properties"), "-cp", filepath.Join(libs, "*"),
	}
	k := &Kafka{}
	for i := range nodes {
		n, err := k.add(dir, i+1, ports[3*i:3*i+3], strings.Join(voters, ","), o)
		if err != nil {
			k.Close()
			return nil, err
		}
		conf := filepath.Join(dir, fmt.Sprintf("node%d.properties", i+1))
		format := append(java[1:len(java):len(java)], "kafka.tools.StorageTool", "format", "-t", cluster, "-c", conf)
		if out, err := exec.Command(java[0], format...).CombinedOutput(); err != nil { //nolint:gosec,noctx // our own jars
			k.Close()
			return nil, fmt.Errorf("format storage of node %d: %w: %s", i+1, err, out)
		}
		n.proc.Command = append(slices.Clip(java), "kafka.Kafka", conf)
		if err := n.proc.Start(); err != nil {
			k.Close()
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := k.AwaitReady(ctx); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// add writes the properties of a node and puts the proxy before it.
func (k *Kafka) add(dir string, id int, ports []int, voters string, o KafkaOptions) (*KafkaNode, error) {
	n := &KafkaNode{Addr: local(ports[0]), proc: Process{Log: filepath.Join(dir, fmt.Sprintf("node%d.log", id))}}
	if o.Proxied {
		proxy, err := NewProxy(n.Addr)
		if err != nil {
			return nil, err
		}
		n.Proxy, n.Addr = proxy, proxy.Listen
	}
	k.Nodes = append(k.Nodes, n)
	replicas := max(1, o.Nodes)
	props := map[string]string{
		"process.roles": "broker,controller", "node.id": fmt.Sprint(id), "controller.quorum.voters": voters,
		"listeners":                      fmt.Sprintf("CLIENT://%s,BROKER://%s,CONTROLLER://%s", local(ports[0]), local(ports[1]), local(ports[2])),
		"advertised.listeners":           fmt.Sprintf("CLIENT://%s,BROKER://%s", n.Addr, local(ports[1])),
		"listener.security.protocol.map": "CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":     "BROKER", "controller.listener.names": "CONTROLLER",
		"log.dirs":                  filepath.Join(dir, fmt.Sprintf("data%d", id)),
		"auto.create.topics.enable": "false", "unclean.leader.election.enable": "false",
		"default.replication.factor": fmt.Sprint(replicas), "min.insync.replicas": fmt.Sprint(replicas/2 + 1),
		"offsets.topic.num.partitions": "4", "offsets.topic.replication.factor": fmt.Sprint(replicas),
		"transaction.state.log.num.partitions": "4", "transaction.state.log.replication.factor": fmt.Sprint(replicas),
		"transaction.state.log.min.isr": fmt.Sprint(replicas/2 + 1), "share.coordinator.state.topic.replication.factor": fmt.Sprint(replicas),
		"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "1000",
		"log.cleaner.dedupe.buffer.size": "16777216", "log.segment.bytes": "16777216",
		"log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "1000",
		"broker.session.timeout.ms": "4000", "broker.heartbeat.interval.ms": "1000", // default 9000, 2000
		"num.network.threads": "2", "num.io.threads": "4", "replica.lag.time.max.ms": "10000",
	}
	maps.Copy(props, o.Properties)
	var text strings.Builder
	for name, value := range props {
		fmt.Fprintf(&text, "%s=%s\n", name, value)
	}
	return n, os.WriteFile(filepath.Join(dir, fmt.Sprintf("node%d.properties", id)), []byte(text.String()), 0o600)
}

// kafkaLibs finds the jars.
func kafkaLibs() (string, error) {
	if dir := os.Getenv("KAIROS_KAFKA_LIBS"); dir != "" {
		return dir, haveKafka(dir)
	}
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		dir := filepath.Join(at, ".cache", "kafka", "libs")
		if haveKafka(dir) == nil {
			return dir, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", errors.New("no jars of Apache Kafka: run .ci/kafka/get, or set KAIROS_KAFKA_LIBS")
		}
		at = up
	}
}

func haveKafka(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, "kafka_*.jar"))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("no jars of Apache Kafka in %s: run .ci/kafka/get", dir)
	}
	return err
}
