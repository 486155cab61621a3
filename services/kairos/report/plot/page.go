package plot

import (
	_ "embed"
	"html/template"
	"io"
)

// Page is a report: a title, a sentence or two, and sections.
type Page struct {
	Title    string
	Lead     string
	Sections []Section
}

// Section is a heading with text, charts and tables.
type Section struct {
	Title  string
	Text   string
	Charts []Chart
	Tables []Table
}

// Chart is a drawing with its caption.
type Chart struct {
	Caption string
	SVG     template.HTML
}

// Table is a table whose first column names the rows; Mark is the row drawn in the accent colour, -1 if none.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string
	Mark    int
}

//go:embed page.html
var source string

var page = template.Must(template.New("page").Parse(source))

// Write renders the page.
func (p *Page) Write(w io.Writer) error { return page.Execute(w, p) }
