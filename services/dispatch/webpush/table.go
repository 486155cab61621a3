package webpush

import "github.com/kairos-push/kairos/services/dispatch/push"

// Reasons that are read from the text of an answer: Web Push has no codes of its own.
const (
	ReasonKeyMismatch = "vapid_key_mismatch"
)

const fixVAPID = "check the VAPID key pair and subject of the app"

// Table is what each answer of a push service means. Sources: RFC 8030 §5 and §7, RFC 8292 §4, and the push services
// of Google, Mozilla, Apple and Microsoft.
var Table = push.Table{
	{Status: 200, Class: push.Sent},
	{Status: 201, Class: push.Sent, Note: "taken by the push service; not delivered yet"},
	{Status: 202, Class: push.Sent},
	{Status: 204, Class: push.Sent},
	{Status: 301, Class: push.Drop, Note: "redirects are not followed: the endpoint is the subscriber's word"},
	{Status: 302, Class: push.Drop, Note: "as 301"},
	{Status: 307, Class: push.Drop, Note: "as 301"},
	{Status: 308, Class: push.Drop, Note: "as 301"},
	{Status: 400, Reason: ReasonKeyMismatch, Class: push.Prune, Note: "subscribed with another VAPID key"},
	{Status: 400, Class: push.Drop, Note: "a malformed request"},
	{Status: 401, Reason: ReasonKeyMismatch, Class: push.Prune, Note: "subscribed with another VAPID key"},
	{Status: 401, Class: push.Config, Note: fixVAPID},
	{Status: 403, Reason: ReasonKeyMismatch, Class: push.Prune, Note: "subscribed with another VAPID key"},
	{Status: 403, Class: push.Config, Note: fixVAPID},
	{Status: 404, Class: push.Prune, Note: "the subscription expired or never was"},
	{Status: 405, Class: push.Drop, Note: "no push service at that address"},
	{Status: 406, Class: push.RetryAfter, Note: "Microsoft: the channel is throttled"},
	{Status: 410, Class: push.Prune, Note: "unsubscribed"},
	{Status: 413, Class: push.Drop, Note: "Kairos checks before it sends"},
	{Status: 429, Class: push.RetryAfter},
	{Status: 500, Class: push.Retry},
	{Status: 502, Class: push.Retry},
	{Status: 503, Class: push.Retry, Note: "after Retry-After when it is given"},
	{Status: 504, Class: push.Retry},
}
