package up

import (
	"os"
	"strconv"
	"strings"

	"github.com/kairos-push/kairos/services/kairos/cli"
)

// Banner says where everything is, what is kept, and what to try next.
func (s *System) Banner(o *cli.IO) {
	row := func(name, value, note string) {
		o.Printf("  %-12s %s  %s\n", name, cli.Bold.Render(value), cli.Soft.Render(note))
	}
	o.Printf("\n%s %s\n\n", cli.Good.Bold(true).Render("Kairos"), "is up.")
	row("page", s.URL, "what is held, what ended, and why")
	row("sandbox", s.URL+sandboxPath, "what APNs, FCM and Web Push got; rules that make them fail")
	row("HTTP API", s.URL+"/v1", "key "+s.key())
	kafka, kept := "embedded; kcat and other clients may join", "held messages survive a restart, also kill -9; delete the folder to start afresh"
	if !s.cmd.embeddedKafka() {
		kafka, kept = "yours", ""
	}
	row("Kafka", s.Kafka, kafka)
	redis := "embedded; rebuilt from Kafka at each start"
	if len(s.cmd.Redis) > 0 {
		redis = "yours"
	}
	row("Redis", s.Redis, redis)
	switch {
	case s.Data != "":
		row("kept in", s.Data, kept)
	case s.cmd.embeddedKafka():
		row("kept in", "memory", "everything is gone at the end")
	}
	if s.cmd.Fleet > 0 {
		row("fleet", strconv.Itoa(s.cmd.Fleet)+" phones", "awake and asleep in many time zones, asked for pushes all the time")
	}
	o.Printf("\n%s\n", "Next:")
	for _, line := range s.next() {
		o.Printf("  %s\n", line)
	}
	o.Printf("\n%s\n\n", cli.Soft.Render("Ctrl-C stops; "+s.after()+"."))
}

// after is what a stop leaves.
func (s *System) after() string {
	if s.Data == "" && s.cmd.embeddedKafka() {
		return "nothing is kept"
	}
	return "what is held is kept"
}

func (s *System) key() string {
	if keys := s.apps.All()[0].APIKeys; len(keys) > 0 {
		return keys[0]
	}
	return "none"
}

// next are commands to copy: this program is named as it was called.
func (s *System) next() []string {
	program := os.Args[0]
	var reach, api string
	if s.Kafka != "localhost:9092" && s.Kafka != "127.0.0.1:9092" {
		reach = " --kafka-brokers " + s.Kafka
	}
	if s.cmd.KafkaConn.Prefix != "kairos." {
		reach += " --kafka-prefix " + s.cmd.KafkaConn.Prefix
	}
	if s.URL != "http://localhost:8080" {
		api += " --url " + s.URL
	}
	if s.key() != "demo" {
		api += " --key " + s.key()
	}
	prefix := s.cmd.KafkaConn.Prefix
	return []string{
		program + " send ada --id hello-1 --title 'Hello Ada'" + api,
		program + " why hello-1" + reach,
		program + " tail outcomes" + reach,
		program + " ledger" + reach,
		program + " doctor --redis-addrs " + s.Redis + reach,
		strings.Join([]string{
			"curl " + s.URL + "/v1/messages -H 'Authorization: Bearer " + s.key() + "' -H 'Content-Type: application/json' \\",
			`       -d '{"message_id":"hello-2","user_id":"bo","title":"Hello Bo","timing":"best_moment"}'`,
		}, "\n"),
		strings.Join([]string{
			`echo 'chen|{"message_id":"hello-3","user_id":"chen","title":"Hello Chen","timing":"now"}' | \`,
			"       kcat -P -b " + s.Kafka + " -t " + prefix + "in.messages.v1 -K '|' -X topic.partitioner=murmur2_random",
		}, "\n"),
		"kcat -C -b " + s.Kafka + " -t " + prefix + "outcomes.v1 -o end",
	}
}
