package collegemsg

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Synthetic is a stand-in of the same shape as the log: few people write most of it, in sittings of several messages,
// by day rather than by night, much at first and less later, and what one writes is often answered. The same seed
// gives the same log.
func Synthetic(seed uint64, people, messages int) []Message {
	rng := rand.New(rand.NewPCG(seed, 0xc011e9e))
	zone, err := time.LoadLocation(Zone)
	if err != nil {
		zone = time.UTC
	}
	begin := time.Date(2004, 4, 15, 0, 0, 0, 0, zone)
	habit := make([]float64, people) // each person's favourite hour
	for i := range habit {
		habit[i] = math.Mod(15+5*rng.NormFloat64()+24, 24)
	}
	// Rank-size law: person k is drawn with a weight of about 1/(k+25).
	person := func() int {
		return min(people-1, int(25*math.Exp(rng.Float64()*math.Log(float64(people+25)/25)))-25)
	}
	log := make([]Message, 0, messages)
	for len(log) < messages {
		src := person()
		day := int(math.Min(192, rng.ExpFloat64()*45))
		hour := habit[src] + 2.5*rng.NormFloat64()
		at := begin.AddDate(0, 0, day).Add(time.Duration(hour * float64(time.Hour))).Truncate(time.Second)
		for range 1 + rng.IntN(6) {
			dst := person()
			if dst == src {
				continue
			}
			log = append(log, Message{Src: src + 1, Dst: dst + 1, At: at.UTC()})
			if rng.Float64() < 0.4 {
				wait := time.Duration(math.Exp(6+2*rng.NormFloat64())) * time.Second
				log = append(log, Message{Src: dst + 1, Dst: src + 1, At: at.Add(min(wait, 72*time.Hour)).UTC()})
			}
			at = at.Add(time.Duration(20+rng.ExpFloat64()*90) * time.Second)
		}
	}
	slices.SortStableFunc(log, func(a, b Message) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Src, b.Src), cmp.Compare(a.Dst, b.Dst))
	})
	return log[:messages]
}
