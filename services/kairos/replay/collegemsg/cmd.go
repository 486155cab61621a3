package collegemsg

import (
	"errors"
	"io"
	"os"
	"time"
)

// Cmd is "kairos convert collegemsg".
type Cmd struct {
	In   string        `help:"The log, one \"src dst time\" a line (- = standard input). Without it: collegemsg.txt in the folder that KAIROS_DATA names." placeholder:"FILE"`
	Out  string        `help:"Where the input for kairos replay goes." default:"-" placeholder:"FILE"`
	Hold time.Duration `help:"How long a message may wait, from its time to its deadline; 0 is the policy's default." default:"0s"`
}

// Run converts the log.
func (c *Cmd) Run() (err error) {
	var log []Message
	switch c.In {
	case "":
		log, err = Open()
	case "-":
		log, err = Read(os.Stdin)
	default:
		var f *os.File
		if f, err = os.Open(c.In); err != nil {
			return err
		}
		defer f.Close()
		log, err = Read(f)
	}
	if err != nil {
		return err
	}
	var w io.Writer = os.Stdout
	if c.Out != "-" {
		f, err := os.Create(c.Out)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		w = f
	}
	return Convert(w, log, Options{Hold: c.Hold})
}
