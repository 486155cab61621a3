package score

type Model struct{ Version string }

func Default() *Model { return &Model{Version: "default"} }
