//go:build deps

package enrich

import (
	_ "github.com/stretchr/testify/require"
	_ "pgregory.net/rapid"
	_ "github.com/rs/zerolog"
	_ "github.com/prometheus/client_golang/prometheus"
)
