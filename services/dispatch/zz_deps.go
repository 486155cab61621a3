//go:build deps

package dispatch

import (
	_ "github.com/sideshow/apns2"
	_ "firebase.google.com/go/v4"
	_ "firebase.google.com/go/v4/messaging"
	_ "github.com/SherClockHolmes/webpush-go"
	_ "github.com/sony/gobreaker/v2"
	_ "golang.org/x/time/rate"
	_ "github.com/golang-jwt/jwt/v5"
	_ "golang.org/x/net/http2"
	_ "golang.org/x/oauth2"
	_ "google.golang.org/api/option"
	_ "github.com/stretchr/testify/require"
	_ "pgregory.net/rapid"
	_ "github.com/rs/zerolog"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/redis/go-redis/v9"
	_ "go.uber.org/goleak"
	_ "github.com/cenkalti/backoff/v5"
)
