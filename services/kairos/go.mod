module github.com/kairos-push/kairos/services/kairos

go 1.26

require github.com/kairos-push/kairos/pkg v0.0.0
require github.com/kairos-push/kairos/services/console v0.0.0
require github.com/kairos-push/kairos/services/dispatch v0.0.0
require github.com/kairos-push/kairos/services/enrich v0.0.0
require github.com/kairos-push/kairos/services/ingest v0.0.0
require github.com/kairos-push/kairos/services/timing v0.0.0

replace github.com/kairos-push/kairos/pkg => ../../pkg
replace github.com/kairos-push/kairos/services/console => ../console
replace github.com/kairos-push/kairos/services/dispatch => ../dispatch
replace github.com/kairos-push/kairos/services/enrich => ../enrich
replace github.com/kairos-push/kairos/services/ingest => ../ingest
replace github.com/kairos-push/kairos/services/timing => ../timing
