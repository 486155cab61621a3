package dispatch

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// owned is a partition of releases while this process owns it.
//
// The reader goes through the log without ever waiting for room in the bulk lane, so that an urgent release is not
// behind a campaign. Bulk releases that there is no room for are passed over, and read again by the backlog reader
// when there is. The log is committed up to the first release that is neither done nor parked.
type owned struct {
	d       *Dispatch
	p       *stream.Partition
	ctx     context.Context //nolint:containedctx // the partition's, for workers that come from the queue
	buckets []int
	mark    atomic.Int64 // as last written to Redis

	rebuilding atomic.Bool   // from when a loss is noticed until all is back
	lost       chan struct{} // a rebuild is to begin
	life       atomic.Int64  // rises when a rebuild begins
	more       chan struct{} // there is a backlog

	mu      sync.Mutex
	wm      *watermark
	byID    map[string]*live
	shown   map[string][]*live // by user and collapse id: of these, the phone shows the last
	order   order
	stopped atomic.Bool // written with mu held
	busy    int
	idle    chan struct{} // closed when stopped and nobody is busy

	// The backlog: bulk releases from wm.behind on, of the apps named, each from the offset on where one of it was passed over.
	apps map[string]int64
	// withdrawn are, with the reason, those that the log says this of further on, and those in the backlog.
	withdrawn map[string]string
}

func (d *Dispatch) owner(p *stream.Partition) *owned {
	return &owned{
		d: d, p: p, lost: make(chan struct{}, 1), more: make(chan struct{}, 1), idle: make(chan struct{}),
		byID: map[string]*live{}, shown: map[string][]*live{}, order: order{},
		wm: newWatermark(max(p.Committed(), 0)), apps: map[string]int64{}, withdrawn: map[string]string{},
	}
}

// own works on a partition until it is revoked or the service stops.
func (d *Dispatch) own(ctx context.Context, p *stream.Partition) error {
	parts, err := d.kafka.Partitions(ctx, topic.Releases)
	if err != nil {
		return err
	}
	o := d.owner(p)
	for b := p.ID; b < state.Buckets; b += parts {
		o.buckets = append(o.buckets, b)
	}
	own, cancel := context.WithCancel(ctx)
	o.ctx = own
	defer cancel()
	if err := o.insist(own, o.verify); err != nil {
		return err
	}
	failed := make(chan error, 3)
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{o.commitLoop, o.backlogLoop, o.rebuildLoop} {
		wg.Go(func() {
			if err := run(own); err != nil && own.Err() == nil {
				failed <- err
				cancel()
			}
		})
	}
	err = o.read(own)
	o.stop()
	cancel()
	wg.Wait()
	select {
	case err = <-failed:
	default:
	}
	if ctx.Err() == nil && (err == nil || errors.Is(err, stream.ErrStopping)) {
		err = errors.Join(err, o.commit(ctx))
	}
	return err
}

func (o *owned) written() int64 { return o.mark.Load() }

// read goes through the log.
func (o *owned) read(ctx context.Context) error {
	for {
		recs, err := o.p.Fetch(ctx)
		if err != nil {
			return err
		}
		if err := o.takeAll(ctx, recs); err != nil {
			return err
		}
	}
}

// takeAll takes what was fetched, having decoded all of it: a release that waited in the log for this process is not sent if
// it was withdrawn meanwhile.
func (o *owned) takeAll(ctx context.Context, recs []stream.Record) error {
	rels := make([]*event.Release, len(recs))
	for i := range recs {
		rel, err := readRelease(&recs[i])
		switch {
		case err != nil:
			if err := o.d.refuse(ctx, &recs[i], err); err != nil {
				return err
			}
			continue
		case rel.Withdrawn != "":
			o.withdraw(rel)
		}
		rels[i] = rel
	}
	for i := range recs {
		if rels[i] == nil {
			o.passed(recs[i].Offset)
		} else if err := o.take(ctx, &recs[i], rels[i]); err != nil {
			return err
		}
	}
	return nil
}

// withdraw notes that no provider is to be asked about a release any more.
func (o *owned) withdraw(rel *event.Release) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.byID[rel.ReleaseID]; l != nil {
		l.over.Store(new(Withdrawn(rel.Withdrawn)))
	} else {
		o.withdrawn[rel.ReleaseID] = rel.Withdrawn
	}
}

// take admits a release or passes it over.
func (o *owned) take(ctx context.Context, r *stream.Record, rel *event.Release) error {
	lane := LaneOf(&rel.Message)
	w := o.d.windows[lane]
	if lane == Urgent {
		if !o.known(rel, r.Offset) {
			if !w.wait(ctx, o.p.Stopping(), rel.AppID) {
				return cmp.Or(context.Cause(ctx), stream.ErrStopping)
			}
			o.admit(ctx, r, rel, lane)
		}
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, behind := o.apps[rel.AppID]
	switch {
	case o.knownLocked(rel, r.Offset):
	case !behind && w.admit(rel.AppID):
		o.admitLocked(ctx, r, rel, lane)
	default:
		if !behind {
			o.apps[rel.AppID] = r.Offset
		}
		if o.wm.behind < 0 {
			o.wm.behind = r.Offset
			select {
			case o.more <- struct{}{}:
			default:
			}
		}
		o.wm.passed(r.Offset)
	}
	return nil
}

func (o *owned) passed(offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wm.passed(offset)
}

// known passes a repeated release over: the work on it goes on.
func (o *owned) known(rel *event.Release, offset int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.knownLocked(rel, offset)
}

func (o *owned) knownLocked(rel *event.Release, offset int64) bool {
	l := o.byID[rel.ReleaseID]
	if l == nil {
		return false
	}
	if rel.Withdrawn != "" {
		l.over.Store(new(Withdrawn(rel.Withdrawn)))
		delete(o.withdrawn, rel.ReleaseID)
	}
	o.wm.passed(offset)
	return true
}

func (o *owned) admit(ctx context.Context, r *stream.Record, rel *event.Release, lane Lane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.admitLocked(ctx, r, rel, lane)
}

// admitLocked takes a release on, and starts it unless another one of the user is being tried.
func (o *owned) admitLocked(ctx context.Context, r *stream.Record, rel *event.Release, lane Lane) {
	key := event.Key(rel.AppID, rel.UserID)
	l := &live{
		release: *rel, part: o, lane: lane, turn: turn{key, lane}, bucket: state.Bucket(key),
		offset: r.Offset, cause: stream.CauseOf(r), trace: trace.SpanContextFromContext(stream.Extract(ctx, r)),
	}
	if len(l.release.Targets) == 0 {
		l.release.Targets = []event.Target{{}} // ends as a failure for want of a device
	}
	l.over.Store(new(Withdrawn(cmp.Or(rel.Withdrawn, o.withdrawn[rel.ReleaseID]))))
	if rel.Withdrawn != "" {
		delete(o.withdrawn, rel.ReleaseID)
	}
	o.wm.begin(r.Offset)
	o.byID[rel.ReleaseID] = l
	o.replace(l)
	l.left, l.untried = len(l.release.Targets), len(l.release.Targets)
	if o.order.enter(l.turn, l) {
		o.start(l)
	}
}

// replace finds which releases show in the place of which; o.mu is held.
func (o *owned) replace(l *live) {
	for _, x := range o.shown[l.place()] {
		for _, two := range [][2]*live{{x, l}, {l, x}} {
			if over := Replaced(&two[0].release, &two[1].release); over.Ended() {
				two[0].over.Store(&over)
			}
		}
	}
	o.shown[l.place()] = append(o.shown[l.place()], l)
}

// place on the person's phones.
func (l *live) place() string { return l.turn.user + "\x00" + collapseID(&l.release.Message) }

// start queues the pushes of a release.
func (o *owned) start(l *live) {
	for i, p := range Plan(&l.release, o.d.routes.secret(l.release.AppID)) {
		o.d.queue.push(&task{rel: l, target: l.release.Targets[i], push: p, by: rand.Uint64()})
	}
}

// tried notes that a push has been tried for the first time, however it went. The last one of a release lets the
// user's next release start.
func (o *owned) tried(l *live) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.untried--; l.untried == 0 {
		if next := o.order.leave(l.turn); next != nil {
			o.start(next)
		}
	}
}

// park lets the log go on without a release. It says no when too many are parked: then it is to be forgotten.
func (o *owned) park(l *live) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.parked {
		return true
	}
	if o.d.parked.Add(1) > int64(o.d.cfg.MaxParked) {
		o.d.parked.Add(-1)
		return false
	}
	l.parked = true
	o.wm.done(l.offset)
	o.d.windows[l.lane].release(l.release.AppID)
	return true
}

// finish ends the work on a release.
func (o *owned) finish(l *live) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byID[l.release.ReleaseID] != l {
		return
	}
	delete(o.byID, l.release.ReleaseID)
	if rest := slices.DeleteFunc(o.shown[l.place()], func(x *live) bool { return x == l }); len(rest) > 0 {
		o.shown[l.place()] = rest
	} else {
		delete(o.shown, l.place())
	}
	o.free(l)
	o.wm.done(l.offset)
}

func (o *owned) free(l *live) {
	if l.parked {
		o.d.parked.Add(-1)
	} else {
		o.d.windows[l.lane].release(l.release.AppID)
	}
}

// enter registers work on the partition; false when it is given up.
func (o *owned) enter() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped.Load() {
		return false
	}
	o.busy++
	return true
}

func (o *owned) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy--; o.busy == 0 && o.stopped.Load() {
		close(o.idle)
	}
}

// stop lets what is being sent come to its end; the rest is left to the next owner.
func (o *owned) stop() {
	o.mu.Lock()
	o.stopped.Store(true)
	if o.busy == 0 {
		close(o.idle)
	}
	o.mu.Unlock()
	o.d.later.forget(o)
	o.d.queue.forget(o)
	<-o.idle
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.byID {
		o.free(l)
	}
	clear(o.byID)
	clear(o.shown)
}

// commitLoop commits the watermark every so often.
func (o *owned) commitLoop(ctx context.Context) error {
	tick := o.d.clock.Ticker(o.d.cfg.CommitEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := o.commit(ctx); err != nil {
			if !errors.Is(err, stream.ErrGeneration) {
				o.d.log.Warn().Err(err).Int("partition", o.p.ID).Msg("commit_put_off")
				continue
			}
			return err
		}
	}
}

// commit writes the mark to Redis, then the offset to Kafka: a mark behind the commit says that Redis went back.
func (o *owned) commit(ctx context.Context) error {
	o.mu.Lock()
	mark := o.wm.mark()
	o.mu.Unlock()
	if mark <= o.p.Committed() || o.rebuilding.Load() {
		return nil
	}
	if mark > o.mark.Load() {
		if err := o.d.store.raiseMarks(ctx, o.buckets, o.mark.Load(), mark); errors.Is(err, errLost) {
			o.lose()
			return nil
		} else if err != nil {
			return err
		}
		o.mark.Store(mark)
	}
	return o.p.Commit(mark)
}
