package service_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/service"
)

const appsFile = `apps:
  - app_id: demo
    api_keys: [k1, k2]
    topics: in.
    receipt_secret: s
  - app_id: shop
    api_keys: [k3]
    topics: in.shop.
    providers:
      apns: {key_file: keys/apns.p8}
`

func TestApps(t *testing.T) {
	t.Parallel()
	path := write(t, "apps.yaml", appsFile)
	apps, err := service.LoadApps(path)
	require.NoError(t, err)
	require.Len(t, apps.All(), 2)
	require.Len(t, apps.Inputs(), 12)

	app, ok := apps.ByKey("k2")
	require.True(t, ok)
	require.Equal(t, "demo", app.AppID)
	_, ok = apps.ByKey("k4")
	require.False(t, ok)
	_, ok = apps.ByKey("")
	require.False(t, ok)

	in, ok := apps.ByTopic("in.shop.events.v1")
	require.True(t, ok)
	require.Equal(t, "shop", in.App.AppID)
	require.Equal(t, "in.events.v1", in.Kind.Name)
	require.Equal(t, "in.shop.events.v1", in.Topic.Name)
	require.Positive(t, in.Topic.RetentionHours)

	shop, ok := apps.ByID("shop")
	require.True(t, ok)
	var creds struct {
		APNs struct {
			KeyFile string `yaml:"key_file"`
		} `yaml:"apns"`
	}
	require.NoError(t, shop.DecodeProviders(&creds))
	require.Equal(t, filepath.Join(filepath.Dir(path), "keys/apns.p8"), shop.Path(creds.APNs.KeyFile))
	var other struct {
		FCM string `yaml:"fcm"`
	}
	require.ErrorContains(t, shop.DecodeProviders(&other), "app shop: providers")
}

func TestAppsRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"none", "apps: []\n", "no app"},
		{"unknown key", "apps: [{app_id: a, api_kye: x}]\n", "api_kye"},
		{"id with separator", "apps: [{app_id: 'a|b'}]\n", "app_id"},
		{"id twice", "apps: [{app_id: a}, {app_id: a}]\n", "twice"},
		{"key of two apps", "apps: [{app_id: a, api_keys: [k]}, {app_id: b, api_keys: [k]}]\n", "also a key of app a"},
		{"empty key", "apps: [{app_id: a, api_keys: ['']}]\n", "is empty"},
		{"topic of two apps", "apps: [{app_id: a, topics: in.}, {app_id: b, topics: in.}]\n", "belongs to app a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := service.LoadApps(write(t, "apps.yaml", tc.text))
			require.ErrorContains(t, err, tc.want)
		})
	}
	apps, err := service.LoadApps("")
	require.NoError(t, err)
	_, ok := apps.ByKey("demo")
	require.True(t, ok)
}
