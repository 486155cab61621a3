package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Text checks the rules about a record's JSON text, which no schema can state because a schema sees values:
//
//	size        at most 65,536 bytes
//	syntax      one JSON value and nothing after it (RFC 8259)
//	encoding    UTF-8 without invalid sequences, and no lone surrogate in an escape
//	names       none twice in the same object
//	depth       at most 16 nested objects and arrays
func Text(data []byte) error {
	switch {
	case len(data) > 64<<10:
		return errors.New("larger than 64 KiB")
	case !utf8.Valid(data):
		return errors.New("invalid UTF-8")
	case !json.Valid(data):
		return errors.New("not JSON")
	case loneSurrogate(data):
		return errors.New("lone surrogate")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return walk(dec, 0)
}

func walk(dec *json.Decoder, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth++; depth > 16 {
		return errors.New("deeper than 16")
	}
	names := map[string]bool{}
	for dec.More() {
		if open == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			if names[name.(string)] {
				return fmt.Errorf("member %q twice", name)
			}
			names[name.(string)] = true
		}
		if err := walk(dec, depth); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// loneSurrogate looks in valid JSON for an escape of one half of a surrogate pair without the other.
func loneSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		if i++; data[i] != 'u' {
			continue
		}
		r := escaped(data[i+1:])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		if rest := data[i+1:]; len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' ||
			utf16.DecodeRune(r, escaped(rest[2:])) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

func escaped(hex []byte) rune {
	n, _ := strconv.ParseUint(string(hex[:4]), 16, 16)
	return rune(n)
}
