package fcm

import (
	"time"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

const (
	fixAccount = "check the service account: it must belong to the app's Firebase project and may send messages"
	fixProject = "no such project: check project_id of the service account"
	fixAPNs    = "upload a valid APNs key (or Web Push key) for the app in the Firebase console"
)

// quotaWait is the first back-off that Google asks for when no Retry-After comes with a 429.
const quotaWait = time.Minute

// Table is what each answer of FCM HTTP v1 means. The reason is the errorCode of google.firebase.fcm.v1.FcmError, or
// without one the status of the error. Source: firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode.
var Table = push.Table{
	{Status: 200, Class: push.Sent, Note: "taken by FCM; not delivered yet"},
	{Status: 400, Reason: "INVALID_ARGUMENT", Class: push.Drop, Note: "the payload or the address; says nothing sure of the address, which is kept"},
	{Status: 401, Reason: "THIRD_PARTY_AUTH_ERROR", Class: push.Config, Note: fixAPNs},
	{Status: 401, Reason: "UNAUTHENTICATED", Class: push.Config, Note: fixAccount},
	{Status: 403, Reason: "SENDER_ID_MISMATCH", Class: push.Prune, Note: "an address of another project"},
	{Status: 403, Reason: "PERMISSION_DENIED", Class: push.Config, Note: fixAccount},
	{Status: 404, Reason: "UNREGISTERED", Class: push.Prune, Note: "the app was removed, or the address replaced"},
	{Status: 404, Reason: "NOT_FOUND", Class: push.Config, Note: fixProject},
	{Status: 429, Reason: "QUOTA_EXCEEDED", Class: push.RetryAfter, After: quotaWait},
	{Status: 429, Reason: "RESOURCE_EXHAUSTED", Class: push.RetryAfter, After: quotaWait},
	{Status: 500, Reason: "INTERNAL", Class: push.Retry},
	{Status: 500, Reason: "UNSPECIFIED_ERROR", Class: push.Retry},
	{Status: 503, Reason: "UNAVAILABLE", Class: push.Retry, Note: "after Retry-After when it is given"},
}
