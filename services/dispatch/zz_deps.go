//go:build deps

package dispatch

import (
	_ "firebase.google.com/go/v4"
	_ "firebase.google.com/go/v4/messaging"
	_ "github.com/SherClockHolmes/webpush-go"
	_ "github.com/cenkalti/backoff/v5"
	_ "github.com/golang-jwt/jwt/v5"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/redis/go-redis/v9"
	_ "github.com/rs/zerolog"
	_ "github.com/sideshow/apns2"
	_ "github.com/sony/gobreaker/v2"
	_ "github.com/stretchr/testify/require"
	_ "go.uber.org/goleak"
	_ "golang.org/x/net/http2"
	_ "golang.org/x/oauth2"
	_ "golang.org/x/time/rate"
	_ "google.golang.org/api/option"
	_ "pgregory.net/rapid"
)
