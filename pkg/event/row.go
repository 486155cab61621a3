package event

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// featurePrefix marks the columns of a row that hold features.
const featurePrefix = "f_"

// A row is a record whose features lie flat beside its own members: analysts get columns, not a nested map.
type (
	outcomeFields  Outcome
	decisionFields Decision
	outcomeRow     struct {
		*outcomeFields
		Columns jsontext.Value `json:",embed"`
	}
	decisionRow struct {
		*decisionFields
		Columns jsontext.Value `json:",embed"`
	}
)

// MarshalJSONTo writes the row, its features last and in the order of their names.
func (o *Outcome) MarshalJSONTo(enc *jsontext.Encoder) error {
	columns, err := o.Features.columns()
	if err != nil {
		return err
	}
	return json.MarshalEncode(enc, &outcomeRow{(*outcomeFields)(o), columns})
}

// UnmarshalJSONFrom reads the row; members that are neither known nor features are ignored.
func (o *Outcome) UnmarshalJSONFrom(dec *jsontext.Decoder) (err error) {
	row := outcomeRow{outcomeFields: (*outcomeFields)(o)}
	if err := json.UnmarshalDecode(dec, &row); err != nil {
		return err
	}
	o.Features, err = features(row.Columns)
	return err
}

// MarshalJSONTo writes the row, its features last and in the order of their names.
func (d *Decision) MarshalJSONTo(enc *jsontext.Encoder) error {
	columns, err := d.Features.columns()
	if err != nil {
		return err
	}
	return json.MarshalEncode(enc, &decisionRow{(*decisionFields)(d), columns})
}

// UnmarshalJSONFrom reads the row; members that are neither known nor features are ignored.
func (d *Decision) UnmarshalJSONFrom(dec *jsontext.Decoder) (err error) {
	row := decisionRow{decisionFields: (*decisionFields)(d)}
	if err := json.UnmarshalDecode(dec, &row); err != nil {
		return err
	}
	d.Features, err = features(row.Columns)
	return err
}

// columns writes the features as a JSON object.
func (f Features) columns() (jsontext.Value, error) {
	if len(f) == 0 {
		return nil, nil
	}
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	b := make([]byte, 0, 32*len(f))
	b = append(b, '{')
	for i, name := range names {
		x := f[name]
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("feature %s is %v: a row holds finite numbers", name, x)
		}
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = jsontext.AppendQuote(b, featurePrefix+name); err != nil {
			return nil, err
		}
		b = append(b, ':')
		b = strconv.AppendFloat(b, x, 'g', -1, 64)
	}
	return append(b, '}'), nil
}

// features picks the feature columns from the members that a row's type does not know.
func features(columns jsontext.Value) (Features, error) {
	if len(columns) == 0 {
		return nil, nil
	}
	var all map[string]jsontext.Value
	if err := json.Unmarshal(columns, &all); err != nil {
		return nil, err
	}
	var f Features
	for name, v := range all {
		name, ok := strings.CutPrefix(name, featurePrefix)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return nil, errors.New("feature " + name + " must be a finite number")
		}
		if f == nil {
			f = make(Features, len(all))
		}
		f[name] = x
	}
	return f, nil
}
