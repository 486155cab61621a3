//go:build deps

package main

import (
	_ "github.com/stretchr/testify/require"
	_ "github.com/rs/zerolog"
	_ "github.com/alecthomas/kong"
	_ "charm.land/lipgloss/v2"
	_ "github.com/schollz/progressbar/v3"
	_ "github.com/guptarohit/asciigraph"
	_ "github.com/chromedp/chromedp"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "gonum.org/v1/gonum/stat"
	_ "github.com/twmb/franz-go/pkg/kgo"
)
