package service_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/service"
)

type cli struct {
	service.Config `embed:""`
	Listen         string `default:":8080"`
}

func parse(t *testing.T, args ...string) (cli, error) {
	t.Helper()
	var c cli
	_, err := service.Parse(&c, "kairos-test", "A test.", args, io.Discard, io.Discard)
	return c, err
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFlagsBeatEnvironmentBeatsFile(t *testing.T) {
	file := write(t, "c.yaml", "kafka:\n  brokers: [file:1, file:2]\n  prefix: file.\nlisten: file:3\nredis_cluster: true\ndrain: 3s\n")
	t.Setenv("KAIROS_KAFKA_PREFIX", "env.")
	t.Setenv("KAIROS_LISTEN", "env:4")

	c, err := parse(t, "--config", file, "--listen", "flag:5")
	require.NoError(t, err)
	require.Equal(t, []string{"file:1", "file:2"}, c.Kafka.Brokers)
	require.Equal(t, "env.", c.Kafka.Prefix)
	require.Equal(t, "flag:5", c.Listen)
	require.True(t, c.Redis.Cluster)
	require.Equal(t, "3s", c.Drain.String())

	t.Setenv("KAIROS_CONFIG", file)
	c, err = parse(t)
	require.NoError(t, err)
	require.Equal(t, []string{"file:1", "file:2"}, c.Kafka.Brokers)
	require.Equal(t, "env:4", c.Listen)
}

func TestConfigFileErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"unknown key", "kafka:\n  broker: x\n", `unknown key "kafka-broker"`},
		{"unknown section", "kafak:\n  brokers: x\n", `unknown key "kafak-brokers"`},
		{"wrong type", "redis:\n  cluster: perhaps\n", "perhaps"},
		{"wrong duration", "drain: soon\n", "soon"},
		{"not yaml", "a: b: c\n", "yaml"},
		{"not a mapping", "- a\n", "yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, "--config", write(t, "c.yaml", tc.text))
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := parse(t, "--config", filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPrintConfigMasksSecretsAndReadsBack(t *testing.T) {
	t.Parallel()
	var c cli
	ctx, err := service.Parse(&c, "kairos-test", "A test.", []string{
		"--kafka-sasl-mechanism=plain", "--kafka-sasl-username=me", "--kafka-sasl-password=hush", "--redis-password=hush2",
		"--kafka-brokers=a:1,b:2",
	}, io.Discard, io.Discard)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, service.PrintConfig(&out, ctx))
	require.NotContains(t, out.String(), "hush")
	require.Contains(t, out.String(), "kafka-sasl-username: me")

	again, err := parse(t, "--config", write(t, "c.yaml", out.String()))
	require.NoError(t, err, out.String())
	c.Kafka.SASL.Password, c.Redis.Password = "***", "***"
	c.ConfigF, again.ConfigF = "", ""
	require.Equal(t, c, again)
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--kafka-sasl-username=me"}, "kafka-sasl-mechanism"},
		{[]string{"--redis-addrs=a:1,b:2"}, "redis-cluster"},
		{[]string{"--drain=0s"}, "drain"},
	} {
		_, err := parse(t, tc.args...)
		require.ErrorContains(t, err, tc.want)
	}
	_, err := parse(t)
	require.NoError(t, err)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		tls  service.TLS
		want string
	}{
		{service.TLS{CA: "x"}, "tls-enabled"},
		{service.TLS{Enabled: true, CA: "/nowhere"}, "tls-ca"},
		{service.TLS{Enabled: true, CA: write(t, "ca.pem", "no pem")}, "no certificate"},
		{service.TLS{Enabled: true, Cert: "x"}, "go together"},
	} {
		_, err := tc.tls.Client()
		require.ErrorContains(t, err, tc.want)
	}
	c, err := service.TLS{}.Client()
	require.NoError(t, err)
	require.Nil(t, c)
}
