// Package fleet is a crowd of simulated phones for kairos up: people in many time zones who pick up their phones, put
// them down, use the app and answer pushes. It uses the public HTTP API and what the sandbox gateways received, and
// nothing else of Kairos, as real phones and a real app would.
//
// It is a demonstration and not the simulator: `kairos simulate` judges policies with a calibrated population. Here the
// days are real but busy: an awake person looks at the phone every few minutes, so that there is something to see.
package fleet

import (
	"fmt"
	"time"
)

// Push is what a phone got from its provider.
type Push struct {
	MessageID string
	DeviceID  string
	Address   string
	Token     string // the receipt token that the push carried
}

// Request is a call of the HTTP API.
type Request struct {
	Method, Path string
	Body         any
}

var names = []string{
	"ada", "bo", "chen", "dia", "eli", "fay", "gus", "hana", "ines", "jun", "kofi", "lea", "mika", "noor", "ola", "pia", "quin",
	"rosa", "sami", "tess", "umar", "vera", "wren", "xian", "yara", "zoe",
}

var zones = []string{
	"Europe/Berlin", "America/New_York", "Asia/Tokyo", "Europe/London", "America/Los_Angeles", "Asia/Kolkata", "America/Sao_Paulo",
	"Africa/Lagos", "Australia/Sydney", "Asia/Singapore", "Europe/Istanbul", "America/Mexico_City", "Africa/Nairobi",
}

func userName(i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s-%d", names[i%len(names)], i/len(names)+1)
}

// awake is how busy a person is with the phone, 0 … 1, by local time: asleep at night, most active in the evening.
func awake(local time.Time, shift int) float64 {
	byHour := [24]float64{
		0.05, 0.02, 0.01, 0.01, 0.01, 0.04, 0.25, 0.6, 0.7, 0.6, 0.6, 0.7, 0.8, 0.7, 0.6, 0.6, 0.7, 0.8, 0.9, 1, 1, 0.9, 0.6, 0.2,
	}
	return byHour[((local.Hour()+shift)%24+24)%24]
}
