package enrich

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// device finds or adds a device, in a copy of the list that earlier effects do not share. Signals and receipts may come
// before the registration.
func (s *step) device(id string) *profile.Device {
	i := 0
	for i < len(s.p.Devices) && s.p.Devices[i].DeviceID < id {
		i++
	}
	if i < len(s.p.Devices) && s.p.Devices[i].DeviceID == id {
		if !s.copied {
			s.p.Devices, s.copied = slices.Clone(s.p.Devices), true
		}
		return &s.p.Devices[i]
	}
	if !s.copied {
		s.p.Devices, s.copied = slices.Clip(s.p.Devices), true // Insert copies
	}
	s.p.Devices = slices.Insert(s.p.Devices, i, profile.Device{DeviceID: id})
	if len(s.p.Devices) > profile.MaxDevices {
		gone := s.leastUsed(id)
		s.p.Devices = slices.Delete(s.p.Devices, gone, gone+1)
		if gone < i {
			i--
		}
	}
	return &s.p.Devices[i]
}

// leastUsed is the device to forget when there are too many: one that cannot be reached, else the one not heard of for
// longest.
func (s *step) leastUsed(but string) int {
	worst := -1
	for i := range s.p.Devices {
		d := &s.p.Devices[i]
		if d.DeviceID != but && (worst < 0 || lessUsed(d, &s.p.Devices[worst])) {
			worst = i
		}
	}
	return worst
}

func lessUsed(a, b *profile.Device) bool {
	if a.Reachable() != b.Reachable() {
		return b.Reachable()
	}
	return heard(a).Before(heard(b))
}

func heard(d *profile.Device) time.Time {
	t := d.UpdatedAt
	latest(&t, d.LastSeenAt)
	return t
}

// register takes in a registration; one that is older than what is known changes nothing. It replaces the former one
// as a whole, but for the time zone, which a signal may have told more recently.
//
// A device that moves to another user registers there, and its former user's log gets a record with "deleted".
func (s *step) register(rec *event.Device) {
	at := s.instant(rec.UpdatedAt)
	d := s.device(rec.DeviceID)
	if at.Before(d.UpdatedAt) {
		return
	}
	d.UpdatedAt = at
	d.Deleted = rec.Deleted
	d.Platform, d.Channel, d.AddressType, d.Address = rec.Platform, rec.Channel, rec.AddressType, rec.Address
	d.Locale, d.AppVersion, d.Permission = rec.Locale, rec.AppVersion, rec.Permission
	if d.Deleted {
		d.Address = ""
	}
	if !at.After(d.PrunedAt) && profile.AddressHash(d.Address) == d.Pruned {
		d.Address = ""
	}
	if d.DisabledAt.After(at) {
		d.Permission = event.PermissionDenied
	}
	if rec.TimeZone != "" {
		s.zone(d, rec.TimeZone, at)
	}
	s.settle()
}

// prune drops an address that a provider called dead at that time, unless it was registered anew since. The last dead one
// is remembered, for the case that its registration comes late.
func (s *step) prune(deviceID, address string, at time.Time) {
	d := s.device(deviceID)
	if d.Address == address && !d.UpdatedAt.After(at) {
		d.Address = ""
	}
	if at.After(d.PrunedAt) {
		d.PrunedAt, d.Pruned = at, profile.AddressHash(address)
	}
}

func (s *step) zone(d *profile.Device, name string, at time.Time) {
	if _, err := event.Zone(name); err != nil {
		s.p.Clamped++
		return
	}
	if at.Before(d.ZoneAt) || at.Equal(d.ZoneAt) && name <= d.TimeZone {
		return
	}
	d.TimeZone, d.ZoneAt = name, at
	s.settle()
}

// settle forgets devices deleted long ago, and works out the person's time zone unless the person said it: that of the
// device which told one last.
func (s *step) settle() {
	old := s.received.Add(-profile.Lateness * time.Hour)
	s.p.Devices = slices.DeleteFunc(s.p.Devices, func(d profile.Device) bool { return d.Deleted && d.UpdatedAt.Before(old) })
	if s.p.ZoneSet {
		return
	}
	var newest *profile.Device
	for i := range s.p.Devices {
		d := &s.p.Devices[i]
		if d.TimeZone != "" && !d.Deleted && (newest == nil || d.ZoneAt.After(newest.ZoneAt)) {
			newest = d
		}
	}
	s.p.TimeZone = ""
	if newest != nil {
		s.p.TimeZone = newest.TimeZone
	}
}
