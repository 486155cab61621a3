package pipetest

import (
	"sync"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// toxics is the server that all proxies of the process belong to; its HTTP API is not started.
var toxics = sync.OnceValue(func() *toxiproxy.ApiServer {
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
})

// NewProxy puts a toxiproxy before a TCP server. Its Listen is where clients connect; Stop and Start cut and mend it.
func NewProxy(upstream string) (*toxiproxy.Proxy, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	p := toxiproxy.NewProxy(toxics(), upstream, local(ports[0]), upstream)
	return p, p.Start()
}

// AddToxic makes a proxy faulty, for example AddToxic(t, p, "latency", "downstream", `{"latency":200}`). The toxic has
// the name of its kind and stream; remove it with p.Toxics.RemoveToxic.
func AddToxic(tb testing.TB, p *toxiproxy.Proxy, kind, stream, attributes string) (name string) {
	tb.Helper()
	name, err := Toxify(p, kind, stream, attributes)
	require.NoError(tb, err)
	return name
}
