// Package verify judges a run from outside. It reads three things: what clients got acknowledged, what the gateways
// accepted, and the outcomes topic; and it says what was lost, what came twice, and how late.
//
// It shares no code with the services, on purpose: it has its own reading of the three records, and its own client of
// Kafka. It knows nothing of the fault that was injected but its time.
package verify
