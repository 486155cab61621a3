// Package console is the web page: which messages are held, which ended and how, why, and what came of each arm of the
// exploration draw, live. It reads the outcomes and decisions topics and keeps a bounded picture in memory; it writes
// nothing and owns nothing, so any number can run.
//
// The page has no login: it shows message and user ids and no content, and belongs on an internal network.
package console
