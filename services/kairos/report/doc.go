// Package report measures what came of messages, from outcome and decision rows alone: by exploration arm, what an arm
// gains over another on the same kinds of messages, with intervals over people, and what another mix of arms would have
// done (off-policy). It decides nothing and reads no other state; rows come from the topics or from files. College is a
// table of its own, on a public log.
package report
