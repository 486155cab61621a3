package fold

// cache keeps the users touched last: between half of its size and all of it. It has two generations instead of a list:
// when the young one is full it becomes the old one, and what was not asked for since then is forgotten.
type cache[V any] struct {
	size       int
	young, old map[string]V
}

func newCache[V any](size int) *cache[V] {
	return &cache[V]{size: size, young: map[string]V{}, old: map[string]V{}}
}

func (c *cache[V]) get(key string) (V, bool) {
	v, ok := c.young[key]
	if !ok {
		if v, ok = c.old[key]; ok {
			c.put(key, v)
		}
	}
	return v, ok
}

func (c *cache[V]) put(key string, v V) {
	delete(c.old, key)
	if c.young[key] = v; 2*len(c.young) >= c.size {
		c.young, c.old = map[string]V{}, c.young
	}
}

func (c *cache[V]) len() int { return len(c.young) + len(c.old) }
