package score

import "testing"

func BenchmarkScore(b *testing.B) {
	m := Default()
	c := Unobserved()
	c.InUse, c.Unlocks10m, c.Unlocks1h, c.States[IsCharging] = 45, 2, 5, 100
	c.Prepare()
	var x Vector
	sum := 0.0
	for i := 0; b.Loop(); i++ {
		c.At(float64(i&1023), 1.1, &x)
		u := Moment{Value: 1, Relevance: 1, PSeen: m.PSeen(&x, 0), POpen: Opens(m.Lift(&x))}
		sum += u.Utility()
	}
	_ = sum
}
