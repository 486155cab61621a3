package up

import (
	"context"
	"fmt"

	"github.com/kairos-push/kairos/services/console"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/enrich"
	"github.com/kairos-push/kairos/services/ingest"
	"github.com/kairos-push/kairos/services/kairos/fleet"
	"github.com/kairos-push/kairos/services/learn"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// startServices starts the services from the end of a message's path to its beginning, so that they stop from the
// beginning to the end.
func (s *System) startServices(context.Context) error {
	rules, err := policy.Load(s.cmd.Policy)
	if err != nil {
		return err
	}
	if s.page, err = console.New(console.Config{}, s.depsOf("console")); err != nil {
		return err
	}
	pushes, err := dispatch.New(dispatch.Config{Apps: s.credentials()}, s.depsOf("dispatch"))
	if err != nil {
		return err
	}
	models, err := learn.New(learn.Config{}, s.depsOf("learn"))
	if err != nil {
		return err
	}
	moments, err := timing.New(timing.Config{Policy: rules}, s.depsOf("timing"))
	if err != nil {
		return err
	}
	profiles, err := enrich.New(enrich.Config{}, s.depsOf("enrich"))
	if err != nil {
		return err
	}
	doors, err := ingest.New(ingest.Config{Apps: s.apps, Lookup: s.lookup, Moments: momentsOf(moments)}, s.depsOf("ingest"))
	if err != nil {
		return err
	}
	s.goRun("learn", models)
	s.goRun("dispatch", pushes)
	s.goRun("timing", moments)
	s.goRun("enrich", profiles)
	s.goRun("ingest", doors)
	s.mounted.Handle("/v1/", doors)
	s.mounted.Handle(sandboxPath, s.gateways.Handler(sandboxPath))
	s.mounted.Handle("/", s.page)
	return nil
}

// lookup lends the console's view to the HTTP API.
func (s *System) lookup(_ context.Context, app, user, message string) (any, error) {
	d, ok := s.page.Lookup(app, user, message)
	if !ok {
		return nil, ingest.ErrNotFound
	}
	return d, nil
}

// momentsOf lends the scores to the HTTP API.
func momentsOf(t *timing.Timing) ingest.Moments {
	return func(ctx context.Context, app, user string) (any, error) {
		c, known, err := t.Moments(ctx, app, user)
		if err == nil && !known {
			err = ingest.ErrNotFound
		}
		return c, err
	}
}

// startPage starts the console. It comes behind the open port and so stops before it: a server that stops waits for its
// event streams.
func (s *System) startPage(context.Context) error {
	s.goRun("console", s.page)
	return nil
}

// startFleet lets the phones in, once the door is open.
func (s *System) startFleet(context.Context) error {
	if s.cmd.Fleet == 0 {
		return nil
	}
	app := s.apps.All()[0]
	if len(app.APIKeys) == 0 {
		return fmt.Errorf("the fleet needs an API key of app %s; or say --fleet 0", app.AppID)
	}
	f, err := fleet.New(fleet.Config{
		Phones: s.cmd.Fleet, URL: s.URL, Key: app.APIKeys[0], Seed: s.cmd.Seed, Clock: s.deps.Clock, Log: s.log("fleet"),
		Subscribe: s.gateways.Subscription, Pushes: s.pushes,
	})
	if err != nil {
		return err
	}
	s.goRun("fleet", f)
	return nil
}
