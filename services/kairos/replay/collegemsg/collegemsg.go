// Package collegemsg turns a log of private messages ("src dst time", one a line) into input for kairos replay: each
// line is an own-app event of src, who was in the app then, and a push request to dst, who has a new message.
//
// The log it is made for is CollegeMsg of the SNAP collection (P. Panzarasa, T. Opsahl, K. M. Carley, "Patterns and
// dynamics of users' behavior and interaction", JASIST 60(5), 2009): 59,835 messages among 1,899 people, April to
// October 2004. It is not part of Kairos; Open says where it is looked for, Synthetic makes a log of the same shape.
package collegemsg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Zone is where the people of the log lived.
const Zone = "America/Los_Angeles"

// File is the name of the log, and Env the variable that names the folder it lies in.
const (
	File = "collegemsg.txt"
	Env  = "KAIROS_DATA"
)

// Message is one line of the log.
type Message struct {
	Src, Dst int
	At       time.Time
}

// Read reads a log. Its times must not go back; a header line is skipped.
func Read(r io.Reader) ([]Message, error) {
	var log []Message
	scan := bufio.NewScanner(r)
	for n := 1; scan.Scan(); n++ {
		f := strings.Fields(scan.Text())
		if len(f) == 0 || n == 1 && f[0] == "src" {
			continue
		}
		if len(f) != 3 {
			return nil, fmt.Errorf("line %d: want \"src dst time\", got %.200q", n, scan.Text())
		}
		src, err1 := strconv.Atoi(f[0])
		dst, err2 := strconv.Atoi(f[1])
		at, err3 := strconv.ParseInt(f[2], 10, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		m := Message{Src: src, Dst: dst, At: time.Unix(at, 0).UTC()}
		if len(log) > 0 && m.At.Before(log[len(log)-1].At) {
			return nil, fmt.Errorf("line %d: time goes back", n)
		}
		log = append(log, m)
	}
	return log, scan.Err()
}

// ErrNoData says that the log is not on this machine.
var ErrNoData = errors.New("collegemsg.txt not found: get CollegeMsg.txt from snap.stanford.edu/data/CollegeMsg.html, " +
	"save it as collegemsg.txt, and set KAIROS_DATA to its folder")

// Open reads the log from the folder that KAIROS_DATA names, else from ../shared/data beside the repository that the
// working directory is in. ErrNoData says that there is none; a folder that was named but lacks it is an error too.
func Open() ([]Message, error) {
	path := ""
	if dir := os.Getenv(Env); dir != "" {
		path = filepath.Join(dir, File)
	} else if root, err := repository(); err == nil {
		path = filepath.Join(root, "..", "shared", "data", File)
	}
	f, err := os.Open(path) //nolint:gosec // the path is the user's own
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoData
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f)
}

// repository is the closest folder at or above the working directory that holds go.work.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("not inside the repository")
		}
		dir = up
	}
}
