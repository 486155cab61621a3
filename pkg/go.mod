module github.com/kairos-push/kairos/pkg

go 1.26
