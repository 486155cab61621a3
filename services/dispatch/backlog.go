package dispatch

import (
	"context"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// backlogLoop reads what was passed over.
func (o *owned) backlogLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.more:
		}
		for {
			o.mu.Lock()
			from, to := o.wm.behind, o.wm.next
			o.mu.Unlock()
			err := o.d.kafka.Read(ctx, topic.Releases, o.p.ID, from, to, func(recs []stream.Record) error {
				for i := range recs {
					if err := o.retake(ctx, &recs[i]); err != nil {
						return err
					}
				}
				return nil
			})
			switch {
			case o.stopped.Load(): // what is left is the next owner's
				return nil
			case err != nil:
				return err
			}
			if o.caughtUp(to) {
				break
			}
		}
	}
}

// retake admits a release of the backlog as soon as there is room. When the partition is given up its own room gets free, and
// what is waited for may be that.
func (o *owned) retake(ctx context.Context, r *stream.Record) error {
	rel, err := readRelease(r)
	left := err == nil && LaneOf(&rel.Message) == Bulk && o.wasPassedOver(rel, r.Offset)
	if left && !o.d.windows[Bulk].wait(ctx, nil, rel.AppID) {
		return context.Cause(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped.Load() {
		if left {
			o.d.windows[Bulk].release(rel.AppID)
		}
		return stream.ErrStopping
	}
	if left {
		o.admitLocked(ctx, r, rel, Bulk)
	} else if err == nil && rel.Withdrawn != "" {
		delete(o.withdrawn, rel.ReleaseID)
	}
	o.wm.behind = r.Offset + 1
	return nil
}

func (o *owned) wasPassedOver(rel *event.Release, offset int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	from, behind := o.apps[rel.AppID]
	return behind && offset >= from && o.byID[rel.ReleaseID] == nil
}

// caughtUp ends the backlog if the reader has passed nothing over since.
func (o *owned) caughtUp(to int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wm.next > to {
		return false
	}
	o.wm.behind = -1
	clear(o.apps)
	return true
}
