package main

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/ingest"
)

// What the README tells people to send is accepted, today and on any later day.
func TestTheREADMEsMessageIsAccepted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	bodies := regexp.MustCompile(`(?s)-d '(\{.*?\})'`).FindAllSubmatch(text, -1)
	require.NotEmpty(t, bodies)
	for _, b := range bodies {
		_, err := ingest.Accept(topic.InMessages, b[1], ingest.App{ID: "demo"}, time.Now())
		require.NoError(t, err, "%s", b[1])
	}
}
