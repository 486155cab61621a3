package service

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tracer exports to endpoint; without one it records nothing and costs nothing. stop flushes.
func Tracer(ctx context.Context, endpoint, service string) (t trace.Tracer, stop func(context.Context) error, err error) {
	if endpoint == "" {
		return noop.NewTracerProvider().Tracer(service), func(context.Context) error { return nil }, nil
	}
	exp, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, nil, fmt.Errorf("otlp-endpoint: %w", err)
	}
	p := sdk.NewTracerProvider(sdk.WithBatcher(exp),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "kairos-"+service))))
	return p.Tracer(service), p.Shutdown, nil
}
