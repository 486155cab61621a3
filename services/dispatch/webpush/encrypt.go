package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

const (
	saltSize   = 16
	recordSize = 4096
	lastRecord = 2 // the delimiter behind the content of the last record, which is the only one
)

// encrypt seals a payload for a browser (RFC 8291), with a key and a salt of its own.
func encrypt(ua *ecdh.PublicKey, auth, payload []byte) ([]byte, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // it never fails
	return seal(ua, auth, payload, key, salt[:])
}

// seal makes the one aes128gcm record (RFC 8188) of a payload, without padding.
func seal(ua *ecdh.PublicKey, auth, payload []byte, key *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	shared, err := key.ECDH(ua)
	if err != nil {
		return nil, err
	}
	public := key.PublicKey().Bytes()
	info := append(append([]byte("WebPush: info\x00"), ua.Bytes()...), public...)
	ikm, err := hkdf.Key(sha256.New, shared, auth, string(info), 32)
	if err != nil {
		return nil, err
	}
	content, err1 := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, err2 := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, saltSize+4+1+len(public)+len(payload)+1+gcm.Overhead())
	out = append(out, salt...)
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(out, byte(len(public)))
	out = append(out, public...)
	return gcm.Seal(out, nonce, append(payload, lastRecord), nil), nil
}
