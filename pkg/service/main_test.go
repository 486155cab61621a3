package service_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/service"
)

type flags struct {
	Listen string `help:"Where to listen." default:":8080"`
}

func program(run service.Func) service.Program[flags] {
	return service.Program[flags]{Name: "test", Doc: "A test.", New: func(f flags, _ service.Config, apps *service.Apps, deps service.Deps) (service.Runner, error) {
		if f.Listen == "bad" {
			return nil, errors.New("listen: bad")
		}
		if len(apps.All()) != 1 || deps.Kafka == nil || deps.Redis != nil || deps.Tracer == nil || deps.Metrics == nil {
			return nil, errors.New("deps are incomplete")
		}
		return run, nil
	}}
}

func TestProgramExitCodes(t *testing.T) {
	t.Parallel()
	wait := service.Func(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	fail := service.Func(func(context.Context) error { return errors.New("lost the broker") })
	for _, tc := range []struct {
		name string
		run  service.Func
		args []string
		code int
		out  string
		err  string
	}{
		{"clean stop", wait, []string{"--admin-addr=127.0.0.1:0"}, 0, "", `"message":"stopped"`},
		{"failure", fail, []string{"--admin-addr="}, 1, "", "lost the broker"},
		{"refused by New", wait, []string{"--listen=bad"}, 1, "", "listen: bad"},
		{"unknown flag", wait, []string{"--lsiten=x"}, 2, "", "unknown flag --lsiten"},
		{"invalid", wait, []string{"--drain=0s"}, 2, "", "drain"},
		{"no apps file", wait, []string{"--apps-file=/nowhere.yaml"}, 1, "", "nowhere"},
		{"probe of nobody", wait, []string{"--probe", "--admin-addr=127.0.0.1:1"}, 1, "", "refused"},
		{"help", wait, []string{"--help"}, 0, "Where to listen", ""},
		{"print config", wait, []string{"--print-config"}, 0, "kafka-prefix: kairos.", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			if tc.code == 0 {
				cancel()
			}
			defer cancel()
			var out, err bytes.Buffer
			require.Equal(t, tc.code, program(tc.run).Run(ctx, tc.args, &out, &err), err.String())
			require.Contains(t, out.String(), tc.out)
			require.Contains(t, err.String(), tc.err)
		})
	}
}
