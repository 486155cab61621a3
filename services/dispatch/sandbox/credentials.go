package sandbox

import (
	"net/http"

	"github.com/kairos-push/kairos/services/dispatch/apns"
	"github.com/kairos-push/kairos/services/dispatch/fcm"
	"github.com/kairos-push/kairos/services/dispatch/webpush"
)

// APNsCredentials let a sender push to the APNs gateway.
func (g *Gateways) APNsCredentials() apns.Credentials {
	return apns.Credentials{Key: g.APNsKey, KeyID: KeyID, TeamID: TeamID, Topic: Topic, Endpoint: g.APNsURL, RootCAs: g.CA}
}

// OtherAPNsCredentials let a sender push to OtherTopic, which another team owns.
func (g *Gateways) OtherAPNsCredentials() apns.Credentials {
	return apns.Credentials{
		Key: g.OtherAPNsKey, KeyID: OtherKeyID, TeamID: OtherTeamID, Topic: OtherTopic, Endpoint: g.APNsURL, RootCAs: g.CA,
	}
}

// FCMCredentials let a sender push to the FCM gateway.
func (g *Gateways) FCMCredentials() fcm.Credentials {
	return fcm.Credentials{ServiceAccount: g.ServiceAccount, Endpoint: g.FCMURL, RootCAs: g.CA}
}

// WebPushCredentials let a sender push to the Web Push gateway.
func (g *Gateways) WebPushCredentials() webpush.Credentials {
	return webpush.Credentials{
		PublicKey: g.VAPIDPublic, PrivateKey: g.VAPIDPrivate, Subscriber: "ops@example.com", RootCAs: g.CA, AllowPrivate: true,
	}
}

// Unregister makes an APNs or FCM address dead from now on, as when the app is removed.
func (g *Gateways) Unregister(gateway, address string) {
	switch gateway {
	case APNs:
		g.Add(Rule{Gateway: APNs, Address: address, Status: http.StatusGone, Reason: "Unregistered"})
	case FCM:
		g.Add(Rule{Gateway: FCM, Address: address, Status: http.StatusNotFound, Reason: "UNREGISTERED"})
	}
}
