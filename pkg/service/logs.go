package service

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// Log says what is logged and how.
type Log struct {
	Level  string `help:"Log from this level on: debug, info, warn, error." enum:"debug,info,warn,error" default:"${log_level=info}"`
	Format string `help:"json, text, or auto: text on a terminal." enum:"auto,json,text" default:"auto"`
}

// Logger writes to w as cfg says; every line names the service, unless that is left to the parts of a program.
func (cfg Log) Logger(w io.Writer, service string) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log-level: %w", err)
	}
	if cfg.Format == "text" || cfg.Format == "auto" && IsTerminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !IsTerminal(w)}
	}
	log := zerolog.New(w).Level(level).With().Timestamp()
	if service != "" {
		log = log.Str("service", service)
	}
	return log.Logger(), nil
}

// RedisLogs sends what go-redis prints by itself to log. It is the one setting of the process that go-redis offers.
func RedisLogs(log zerolog.Logger) { redis.SetLogger(redisLogger{log}) }

type redisLogger struct{ log zerolog.Logger }

// Printf implements go-redis's logger. The failed command itself is an error that its caller reports.
func (l redisLogger) Printf(_ context.Context, format string, args ...any) {
	l.log.Debug().Str("detail", fmt.Sprintf(format, args...)).Msg("redis_client")
}

// IsTerminal says whether w shows text to a person who wants colours.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
