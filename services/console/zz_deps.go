//go:build deps

package console

import (
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/rs/zerolog"
	_ "github.com/stretchr/testify/require"
)
