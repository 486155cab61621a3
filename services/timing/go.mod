module github.com/kairos-push/kairos/services/timing

go 1.26

require github.com/kairos-push/kairos/pkg v0.0.0

replace github.com/kairos-push/kairos/pkg => ../../pkg
