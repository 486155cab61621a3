package event_test

import (
	"bytes"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// Values that sit on the edges of the rules.
var (
	times = []string{
		"2026-05-01T09:30:00Z", "2026-05-01T09:30:00.5+02:00", "2026-05-01T11:30:00+02:00", "2026-05-01T09:29:59.999999999Z",
		"2026-05-01t09:30:00z", "2026-05-01 09:30:00Z", "2026-05-01T09:30:00", "2026-05-01T09:30Z", "2026-05-01T9:30:00Z",
		"2026-05-01T09:30:00,5Z", "2026-05-01T09:30:00.Z", "2026-05-01T24:00:00Z", "2026-06-30T23:59:60Z", "2026-02-29T00:00:00Z",
		"2024-02-29T00:00:00Z", "2026-05-01T09:30:00+24:00", "2026-05-01T09:30:00+2:00", "2026-05-01T09:30:00-00:00",
		"2026-05-01T09:30:00+23:59", "2026-05-01T09:30:00+0200", "1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z",
		"2100-12-31T23:59:59Z", "2101-01-01T00:00:00Z", "1999-12-31T23:30:00-01:00", "2000-01-01T00:30:00+01:00",
		"0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "now",
	}
	durations = []string{
		"0", "0s", "-0s", "+1h", "90m", "1h30m0s", "1.5h", ".5h", "1.h", ".h", "1", "h", "1d", "-1m", "1 h", "3us", "3µs", "3μs", "3ns",
		"9999999h", "2562047h", "2562048h", "1h1h", "00", "1H", "１h",
	}
	zones = []string{
		"Europe/Berlin", "UTC", "Local", "local", "europe/berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "GB", "CET",
		"Mars/Olympus", "../etc/passwd", "/etc/localtime", "posix/UTC", "localtime", "Europe/", "Europe//Berlin", "America/Port-au-Prince",
	}
	clocks  = []string{"00:00", "23:59", "24:00", "7:30", "07:30", "07:60", "07:3", "07-30", "07:30:00", "٠٧:٣٠", " 07:30"}
	numbers = []string{
		"0", "-0", "1", "1.0", "1e0", "1.5", "-1", "2147483647", "2147483648", "2147483647.0", "9007199254740993", "1e12", "1.000001e12",
		"1e308", "1.7976931348623159e308", "1e309", "-1e999", "1e-400", "0e999999999", "80", "900", "123456789012345678901234567890",
	}
	words = []string{
		"critical", "promotional", "Critical", "now", "at", "best_moment", "user", "utc", "respect", "bypass", "send", "drop", "resend",
		"active", "all", "last_used", "cancel", "ios", "android", "web", "apns", "fcm", "webpush", "token", "fid", "subscription",
		"granted", "provisional", "denied", "unlocked", "motion", "battery_level", "network", "ringer", "geofence_entered",
		"time_zone_changed", "walking", "wifi", "silent", "opened", "delivered", "http://x", "https://x/é", "ftp://x", "https://a b", "https://",
	}
	others = []string{
		"null", "true", "false", "{}", "[]", `[""]`, `["a","b"]`, `[1]`, `[null]`, `{"start":"08:00","end":"20:00"}`,
		`{"start":"08:00","end":"08:00"}`, `{"start":"08:00"}`, `{"start":"08:00","end":null}`, `{"start":"08:00","end":"20:00","x":1}`,
		`{"start":"","end":"20:00"}`, `{"user_data":true}`, `{"user_data":null}`, `{"user_data":1}`, `{"User_data":true}`,
		`{"a":null,"b":"","c":[null,{"d":1e999}]}`, `{"a":1e308}`, `{"a":"1e999"}`, `{"a":"\\","b":-1e400}`, `{"a":1,"a":2}`, `{"":""}`,
		`"\ud800"`, `"\ud83d\ude00"`, `"\ude00\ud83d"`, `"\u0000"`, `"\u007f"`, `"\u0085"`, "\"\u0085\"", `"a\u000ab"`, `"\u0061"`, `"\/"`, `"\x"`,
	}
)

func textValue(t *rapid.T) string {
	switch rapid.IntRange(0, 7).Draw(t, "text") {
	case 0:
		return rapid.SampledFrom(times).Draw(t, "time")
	case 1:
		return rapid.SampledFrom(durations).Draw(t, "duration")
	case 2:
		return rapid.SampledFrom(zones).Draw(t, "zone")
	case 3:
		return rapid.SampledFrom(clocks).Draw(t, "clock")
	case 4:
		return rapid.SampledFrom(words).Draw(t, "word")
	case 5: // around every length limit, in characters of one to four bytes
		unit := rapid.SampledFrom([]string{"a", "é", "€", "😀", " "}).Draw(t, "unit")
		limit := rapid.SampledFrom([]int{64, 128, 512, 1024, 2048, 4096}).Draw(t, "limit")
		return strings.Repeat(unit, max(0, limit/len(unit)+rapid.IntRange(-1, 1).Draw(t, "off")))
	case 6:
		return rapid.String().Draw(t, "string")
	default:
		return ""
	}
}

func anyValue(t *rapid.T) string {
	switch rapid.IntRange(0, 3).Draw(t, "value") {
	case 0:
		return rapid.SampledFrom(numbers).Draw(t, "number")
	case 1:
		return rapid.SampledFrom(others).Draw(t, "other")
	default:
		return string(quoted(textValue(t)))
	}
}

// mutate makes one change to a record.
func mutate(t *rapid.T, doc []member) []member {
	if len(doc) == 0 {
		return []member{{"user_id", `"u"`}}
	}
	i := rapid.IntRange(0, len(doc)-1).Draw(t, "member")
	switch rapid.IntRange(0, 7).Draw(t, "mutation") {
	case 0: // drop
		return slices.Delete(doc, i, i+1)
	case 1: // rename
		doc[i].name = rapid.SampledFrom([]string{
			strings.ToUpper(doc[i].name), strings.ReplaceAll(doc[i].name, "_", ""), doc[i].name + " ", "unknown", "",
		}).Draw(t, "name")
	case 2: // twice
		return append(doc, member{doc[i].name, anyValue(t)})
	case 3: // one more
		names := []string{"app_id", "revision", "send_at", "send_at_zone", "not_before", "deadline", "deleted", "value", "timing", "cancel_key", "permission", "title"}
		return append(doc, member{rapid.SampledFrom(names).Draw(t, "name"), anyValue(t)})
	case 4: // too many
		n := rapid.IntRange(31, 33).Draw(t, "n") + rapid.SampledFrom([]int{0, 224}).Draw(t, "more")
		doc[i].value = "[" + strings.Repeat(`"x",`, n) + `"x"]`
	case 5: // around the deepest nesting
		n := rapid.IntRange(13, 17).Draw(t, "depth")
		doc[i].value = strings.Repeat(`{"a":`, n) + `"[{"` + strings.Repeat("}", n)
	default: // retype, or another value
		doc[i].value = anyValue(t)
	}
	return doc
}

// damage changes bytes of the text.
func damage(t *rapid.T, text []byte) []byte {
	i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
	switch rapid.IntRange(0, 4).Draw(t, "damage") {
	case 0:
		return text[:i]
	case 1:
		return slices.Insert(text, i, rapid.SampledFrom([]byte{0, 0xff, 0xc3, 0xed, ' ', '\n', ',', '"', '\\', '{', '0'}).Draw(t, "byte"))
	case 2:
		return append(text, rapid.SampledFrom([]string{" ", "\n", "{}", "x", "\x00", "\ufeff"}).Draw(t, "tail")...)
	case 3:
		return append([]byte("\ufeff"), text...)
	default: // around the size limit
		return append(text, bytes.Repeat([]byte(" "), max(0, 64<<10-len(text)+rapid.IntRange(-1, 1).Draw(t, "over")))...)
	}
}
