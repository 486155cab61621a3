//go:build deps

package ingest

import (
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/rs/zerolog"
	_ "github.com/stretchr/testify/require"
	_ "golang.org/x/time/rate"
	_ "pgregory.net/rapid"
)
