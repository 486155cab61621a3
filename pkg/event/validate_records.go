package event

import (
	"math"
	"regexp"
	"strconv"
	"time"
)

const (
	maxValueOfOpen = 1e12
	maxRevision    = math.MaxInt32
	maxCancelOn    = 32
	maxCategories  = 256
)

var imageURL = regexp.MustCompile(`^https?://[^\s\x00-\x1f\x7f]+$`)

// Validate says which rules the message breaks. The precondition's grammar is ingest's to check.
func (m *Message) Validate() error {
	var r rules
	r.id("message_id", m.MessageID)
	if m.Revision < 0 || m.Revision > maxRevision {
		r.fail("revision", "must lie within 0 and 2147483647", strconv.Itoa(m.Revision))
	}
	r.id("user_id", m.UserID)
	r.name("campaign_id", m.CampaignID, 128)
	r.name("category", m.Category, 128)
	r.maybe("priority", m.Priority, Critical, Transactional, Promotional)
	r.length("title", m.Title, 1024)
	r.length("body", m.Body, 4096)
	r.length("image_url", m.ImageURL, 2048)
	if m.ImageURL != "" && !imageURL.MatchString(m.ImageURL) {
		r.fail("image_url", "must be an http or https URL", quote(m.ImageURL))
	}
	r.name("deep_link", m.DeepLink, 2048)
	r.object("data", m.Data)
	r.object("apns", m.APNs)
	r.object("fcm", m.FCM)
	r.object("webpush", m.WebPush)
	if v := m.Value; v != nil && !(*v >= 0 && *v <= maxValueOfOpen) {
		r.fail("value", "must lie within 0 and 1e12", strconv.FormatFloat(*v, 'g', -1, 64))
	}
	m.validateTimes(&r)
	r.maybe("quiet_hours", m.QuietHours, QuietRespect, QuietBypass)
	r.maybe("at_deadline", m.AtDeadline, AtDeadlineSend, AtDeadlineDrop)
	r.name("collapse_key", m.CollapseKey, 64) // APNs' limit
	r.name("cancel_key", m.CancelKey, 128)
	r.names("cancel_on", m.CancelOn, maxCancelOn)
	r.length("precondition", m.Precondition, 1024)
	r.maybe("on_ambiguous", m.OnAmbiguous, AmbiguousDrop, AmbiguousResend)
	r.maybe("devices", m.Devices, DevicesActive, DevicesAll, DevicesLastUsed)
	return r.err()
}

// validateTimes checks when the message may go. A time of the user's own zone is not compared with instants: the zone
// is not known here.
func (m *Message) validateTimes(r *rules) {
	r.maybe("timing", m.Timing, TimingNow, TimingBestMoment, TimingAt)
	r.time("send_at", m.SendAt)
	r.maybe("send_at_zone", m.SendAtZone, ZoneUser, ZoneUTC)
	switch {
	case m.Timing == TimingAt && m.SendAt.IsZero():
		r.fail("send_at", "is required with timing at", "")
	case m.Timing != TimingAt && !m.SendAt.IsZero():
		r.fail("send_at", "must come with timing at", m.SendAt.Format(time.RFC3339))
	case m.SendAt.IsZero() && m.SendAtZone != "":
		r.fail("send_at_zone", "must come with send_at", quote(m.SendAtZone))
	}
	r.time("not_before", m.NotBefore)
	r.time("deadline", m.Deadline)
	r.order("not_before", m.NotBefore, "deadline", m.Deadline)
	if m.SendAtZone != ZoneUser {
		r.order("send_at", m.SendAt, "deadline", m.Deadline)
	}
	if m.HalfLife < 0 {
		r.fail("half_life", "must not be negative", time.Duration(m.HalfLife).String())
	}
	r.window("delivery_window", m.DeliveryWindow)
	if w := m.DeliveryWindow; w != nil && w.Start == w.End {
		r.fail("delivery_window", "must have a start other than its end", "")
	}
}

// Validate says which rules the cancel breaks.
func (c *Cancel) Validate() error {
	var r rules
	r.oneOf("type", c.Type, KindCancel)
	r.id("user_id", c.UserID)
	r.name("message_id", c.MessageID, 128)
	r.name("cancel_key", c.CancelKey, 128)
	if (c.MessageID == "") == (c.CancelKey == "") {
		r.fail("message_id", "must be there, or else cancel_key, and not both", "")
	}
	return r.err()
}

// Validate says which rules the event breaks.
func (e *Event) Validate() error {
	var r rules
	r.id("event_id", e.EventID)
	r.id("user_id", e.UserID)
	r.name("device_id", e.DeviceID, 128)
	r.id("name", e.Name)
	r.at("occurred_at", e.OccurredAt)
	r.object("properties", e.Properties)
	return r.err()
}

// Validate says which rules the signal breaks. Absurd but well-formed numbers pass: they are clamped and counted
// where they are used, as a phone that reports them still shows other things rightly.
func (s *Signal) Validate() error {
	var r rules
	r.id("signal_id", s.SignalID)
	r.id("user_id", s.UserID)
	r.id("device_id", s.DeviceID)
	s.validateValue(&r)
	r.at("observed_at", s.ObservedAt)
	return r.err()
}

// Validate says which rules the receipt breaks. Its token is checked where the app's secret is known.
func (c *Receipt) Validate() error {
	var r rules
	r.id("receipt_id", c.ReceiptID)
	r.id("message_id", c.MessageID)
	r.id("user_id", c.UserID)
	r.id("device_id", c.DeviceID)
	r.oneOf("kind", c.Kind, ReceiptDelivered, ReceiptDisplayed, ReceiptOpened, ReceiptDismissed, ReceiptConverted, ReceiptDisabled)
	r.at("occurred_at", c.OccurredAt)
	r.name("token", c.Token, 512)
	return r.err()
}

// channelsOf says which push services reach a platform, addressTypesOf what an address of a channel may be.
var (
	channelsOf = map[string][]string{
		PlatformIOS: {ChannelAPNs, ChannelFCM}, PlatformAndroid: {ChannelFCM}, PlatformWeb: {ChannelWebPush, ChannelFCM},
	}
	addressTypesOf = map[string][]string{
		ChannelAPNs: {AddressToken}, ChannelFCM: {AddressToken, AddressFID}, ChannelWebPush: {AddressSubscription},
	}
)

// Validate says which rules the device breaks. It needs an address unless it is deleted or may not be pushed to.
func (d *Device) Validate() error {
	var r rules
	r.id("device_id", d.DeviceID)
	r.id("user_id", d.UserID)
	r.maybe("platform", d.Platform, PlatformIOS, PlatformAndroid, PlatformWeb)
	r.maybe("channel", d.Channel, ChannelAPNs, ChannelFCM, ChannelWebPush)
	if channels, ok := channelsOf[d.Platform]; ok && d.Channel != "" && addressTypesOf[d.Channel] != nil {
		r.oneOf("channel", d.Channel, channels...)
	}
	r.maybe("address_type", d.AddressType, AddressToken, AddressFID, AddressSubscription)
	if types, ok := addressTypesOf[d.Channel]; ok && d.AddressType != "" {
		r.maybe("address_type", d.AddressType, types...)
	}
	r.name("address", d.Address, 4096)
	if !d.Deleted {
		r.required("platform", d.Platform)
		if d.Permission != PermissionDenied {
			r.required("channel", d.Channel)
			r.required("address", d.Address)
		}
	}
	r.zone("time_zone", d.TimeZone)
	r.name("locale", d.Locale, 64)
	r.name("app_version", d.AppVersion, 64)
	r.maybe("permission", d.Permission, PermissionGranted, PermissionProvisional, PermissionDenied)
	r.at("updated_at", d.UpdatedAt)
	return r.err()
}

// Validate says which rules the user record breaks.
func (u *User) Validate() error {
	var r rules
	r.id("user_id", u.UserID)
	r.zone("time_zone", u.TimeZone)
	r.window("quiet_hours", u.QuietHours)
	r.names("opted_out_categories", u.OptedOutCategories, maxCategories)
	r.object("attributes", u.Attributes)
	r.name("cohort", u.Cohort, 128)
	return r.err()
}
