// Command bench compares this module's senders with the libraries that they stand on, in one run: APNs with apns2 used
// plainly and with a goroutine for each push as gorush does it, FCM with the Firebase SDK, Web Push with webpush-go. All
// push to the same local HTTP/2 server, in a process of its own, which answers at once or after 20 ms. Rounds are
// interleaved; the tables show medians, and the lowest and the highest round.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if text := os.Getenv(serverEnv); text != "" {
		exit(serve(text))
	}
	rounds := flag.Int("rounds", 5, "rounds of each way")
	lasting := flag.Duration("for", time.Second, "how long each round lasts")
	only := flag.String("only", "", "only the ways whose name begins so")
	flag.Parse()
	exit(compare(*rounds, *lasting, *only))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
