// Package service is what every Kairos program shares: configuration, the apps it serves, logs, the admin port, traces,
// start and stop. It is not a framework: a service is a library (New, Run) that knows nothing of this package but Deps.
package service
