//go:build deps

package timing

import (
	_ "github.com/expr-lang/expr"
	_ "github.com/stretchr/testify/require"
	_ "pgregory.net/rapid"
	_ "github.com/rs/zerolog"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/goccy/go-yaml"
	_ "github.com/fxamacker/cbor/v2"
)
