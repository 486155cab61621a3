package apns

import (
	"github.com/sideshow/apns2"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

// Reasons that Apple documents and apns2 does not name.
const (
	ReasonUnrelatedKeyID      = "UnrelatedKeyIdInToken"
	ReasonBadEnvironmentKeyID = "BadEnvironmentKeyIdInToken"
	// ReasonBadEnvironmentKey is how the servers have been seen to write it.
	ReasonBadEnvironmentKey = "BadEnvironmentKeyInToken"
)

const (
	fixKey          = "check key, key id and team id of the app's APNs credentials"
	fixTopic        = "check the topic (bundle id) of the app's APNs credentials"
	fixEnvironment  = "the key belongs to the other environment: check the endpoint (production or development)"
	noteBug         = "a request that Kairos must not make"
	noteOverride    = "an override of the message"
	noteUninstalled = "the app was removed, or the token replaced"
	noteOtherApp    = "a token of another app"
	noteOtherWorld  = "no token of this environment"
)

// Table is what each answer of APNs means. Source: "Handling notification responses from APNs", developer.apple.com.
var Table = push.Table{
	{Status: 200, Class: push.Sent, Note: "taken by APNs; not delivered yet"},
	{Status: 400, Reason: apns2.ReasonBadCollapseID, Class: push.Drop, Note: noteBug},
	{Status: 400, Reason: apns2.ReasonBadDeviceToken, Class: push.Prune, Note: noteOtherWorld},
	{Status: 400, Reason: apns2.ReasonBadExpirationDate, Class: push.Drop, Note: noteBug},
	{Status: 400, Reason: apns2.ReasonBadMessageID, Class: push.Drop, Note: noteBug},
	{Status: 400, Reason: apns2.ReasonBadPriority, Class: push.Drop, Note: noteOverride},
	{Status: 400, Reason: apns2.ReasonBadTopic, Class: push.Config, Note: fixTopic},
	{Status: 400, Reason: apns2.ReasonDeviceTokenNotForTopic, Class: push.Prune, Note: noteOtherApp},
	{Status: 400, Reason: apns2.ReasonDuplicateHeaders, Class: push.Drop, Note: noteBug},
	{Status: 400, Reason: apns2.ReasonIdleTimeout, Class: push.Retry},
	{Status: 400, Reason: apns2.ReasonInvalidPushType, Class: push.Drop, Note: noteOverride},
	{Status: 400, Reason: apns2.ReasonMissingDeviceToken, Class: push.Drop, Note: noteBug},
	{Status: 400, Reason: apns2.ReasonMissingTopic, Class: push.Config, Note: fixTopic},
	{Status: 400, Reason: apns2.ReasonPayloadEmpty, Class: push.Drop, Note: noteBug},
	{Status: 400, Reason: apns2.ReasonTopicDisallowed, Class: push.Config, Note: fixTopic},
	{Status: 403, Reason: apns2.ReasonBadCertificate, Class: push.Config, Note: "check the app's APNs certificate"},
	{Status: 403, Reason: apns2.ReasonBadCertificateEnvironment, Class: push.Config, Note: fixEnvironment},
	{Status: 403, Reason: apns2.ReasonExpiredProviderToken, Class: push.Retry, Note: "with a new token; if it repeats, check the clock"},
	{Status: 403, Reason: apns2.ReasonForbidden, Class: push.Config, Note: fixKey},
	{Status: 403, Reason: apns2.ReasonInvalidProviderToken, Class: push.Config, Note: fixKey},
	{Status: 403, Reason: apns2.ReasonMissingProviderToken, Class: push.Config, Note: fixKey},
	{Status: 403, Reason: ReasonUnrelatedKeyID, Class: push.Config, Note: "one connection, one key: " + fixKey},
	{Status: 403, Reason: ReasonBadEnvironmentKeyID, Class: push.Config, Note: fixEnvironment},
	{Status: 403, Reason: ReasonBadEnvironmentKey, Class: push.Config, Note: fixEnvironment},
	{Status: 404, Reason: apns2.ReasonBadPath, Class: push.Drop, Note: noteBug},
	{Status: 405, Reason: apns2.ReasonMethodNotAllowed, Class: push.Drop, Note: noteBug},
	{Status: 410, Reason: apns2.ReasonExpiredToken, Class: push.Prune, Note: noteUninstalled},
	{Status: 410, Reason: apns2.ReasonUnregistered, Class: push.Prune, Note: noteUninstalled},
	{Status: 413, Reason: apns2.ReasonPayloadTooLarge, Class: push.Drop, Note: "Kairos checks before it sends"},
	{Status: 429, Reason: apns2.ReasonTooManyProviderTokenUpdates, Class: push.RetryAfter, After: renewAtMost},
	{Status: 429, Reason: apns2.ReasonTooManyRequests, Class: push.Retry, Note: "to this device"},
	{Status: 500, Reason: apns2.ReasonInternalServerError, Class: push.Retry},
	{Status: 503, Reason: apns2.ReasonServiceUnavailable, Class: push.Retry},
	{Status: 503, Reason: apns2.ReasonShutdown, Class: push.Retry, Note: "on another connection"},
}
