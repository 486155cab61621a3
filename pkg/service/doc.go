// Package service is what every Kairos program shares: configuration, logs, the admin port, traces, start and stop.
package service
