package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const (
	tokenExpiry = 8  // bytes: Unix seconds, big-endian
	tokenMAC    = 16 // bytes of HMAC-SHA256 that are kept: a push payload is short of room
)

// SignReceipt makes the token that a push carries and a receipt brings back: proof that the receipt speaks of a push
// that Kairos sent to that device. It is 32 characters of unpadded base64url: the expiry (whole seconds), then the MAC.
func SignReceipt(secret []byte, app, user, message, device string, expires time.Time) string {
	token := binary.BigEndian.AppendUint64(nil, uint64(expires.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(token, receiptMAC(secret, token, app, user, message, device)...))
}

// VerifyReceipt checks a token against the receipt that it came with. The MAC is compared in constant time and before
// the expiry is believed. Without a secret nothing verifies. The error is an *Invalid.
func VerifyReceipt(secret []byte, token, app, user, message, device string, now time.Time) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	// The length of the text too: the decoder skips line breaks.
	if err != nil || len(raw) != tokenExpiry+tokenMAC || len(token) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return &Invalid{Field: "token", Rule: "must be a token that a push carried", Value: quantity(len(token))}
	}
	expiry := raw[:tokenExpiry]
	if len(secret) == 0 || !hmac.Equal(raw[tokenExpiry:], receiptMAC(secret, expiry, app, user, message, device)) {
		return &Invalid{Field: "token", Rule: "must be signed for this app, user, message and device", Value: quantity(len(token))}
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(expiry)), 0).UTC()
	if now.After(expires) {
		return &Invalid{Field: "token", Rule: "must not have expired", Value: expires.Format(time.RFC3339)}
	}
	return nil
}

// receiptMAC covers every part with its length, so that no two lists of parts share a MAC.
func receiptMAC(secret, expiry []byte, app, user, message, device string) []byte {
	mac := hmac.New(sha256.New, secret)
	for _, part := range []string{"receipt", string(expiry), app, user, message, device} {
		_, _ = mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		_, _ = mac.Write([]byte(part))
	}
	return mac.Sum(nil)[:tokenMAC]
}
