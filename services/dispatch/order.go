package dispatch

// order keeps the releases of one user in the order of the log: the next one starts when every push of the one before
// has been tried once. A release that has to be tried again no longer holds up those behind it. Lanes are apart, so
// that what is urgent overtakes what is not.
type order map[turn][]*live // who waits; a key without anybody waiting means that one is being tried

type turn struct {
	user string // app|user
	lane Lane
}

// enter says whether a release may start; otherwise leave will name it.
func (o order) enter(at turn, l *live) bool {
	line, busy := o[at]
	if busy {
		o[at] = append(line, l)
		return false
	}
	o[at] = nil
	return true
}

// leave ends the turn of the release that was being tried, and names the next one, if there is one.
func (o order) leave(at turn) *live {
	line := o[at]
	if len(line) == 0 {
		delete(o, at)
		return nil
	}
	o[at] = line[1:]
	return line[0]
}
