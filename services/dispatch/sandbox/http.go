package sandbox

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"time"
)

//go:embed web
var files embed.FS

// Handler shows what arrived, and takes rules, under a path that ends in a slash:
//
//	GET    {path}         a page
//	GET    {path}pushes   the newest arrivals as JSON, oldest first; ?after=SEQ &gateway= &message= &device=
//	GET    {path}rules    the rules
//	POST   {path}rules    adds a rule, for example {"gateway":"apns","status":503,"reason":"ServiceUnavailable","times":10}
//	DELETE {path}rules    removes all rules
func (g *Gateways) Handler(path string) http.Handler {
	web, err := fs.Sub(files, "web")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+path, http.StripPrefix(path, http.FileServerFS(web)))
	mux.HandleFunc("GET "+path+"pushes", g.listPushes)
	mux.HandleFunc("GET "+path+"rules", g.listRules)
	mux.HandleFunc("POST "+path+"rules", g.addRule)
	mux.HandleFunc("DELETE "+path+"rules", func(w http.ResponseWriter, _ *http.Request) {
		g.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	guard := http.NewCrossOriginProtection().Handler(mux) // other sites' pages must not script the gateways
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		guard.ServeHTTP(w, r)
	})
}

func (g *Gateways) listPushes(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, err := strconv.Atoi(q.Get("after"))
	if err != nil && q.Get("after") != "" {
		http.Error(w, "after: not a number", http.StatusBadRequest)
		return
	}
	out := []Arrival{}
	for _, a := range g.Arrivals() {
		if a.Seq > after && is(q.Get("gateway"), a.Gateway) && is(q.Get("message"), a.MessageID) && is(q.Get("device"), a.DeviceID) {
			out = append(out, a)
		}
	}
	answer(w, out)
}

func is(wanted, value string) bool { return wanted == "" || wanted == value }

// ruleText is a Rule with its times in the form "250ms".
type ruleText struct {
	Rule

	Latency    string `json:"latency,omitempty"`
	RetryAfter string `json:"retry_after,omitempty"`
}

func (g *Gateways) listRules(w http.ResponseWriter, _ *http.Request) {
	out := []ruleText{}
	for _, rule := range g.Rules() {
		out = append(out, ruleText{Rule: rule, Latency: text(rule.Latency), RetryAfter: text(rule.RetryAfter)})
	}
	answer(w, out)
}

func text(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func (g *Gateways) addRule(w http.ResponseWriter, r *http.Request) {
	var in ruleText
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	dec.DisallowUnknownFields()
	err := dec.Decode(&in)
	for _, f := range []struct {
		name, text string
		to         *time.Duration
	}{{"latency", in.Latency, &in.Rule.Latency}, {"retry_after", in.RetryAfter, &in.Rule.RetryAfter}} {
		if err == nil && f.text != "" {
			if *f.to, err = time.ParseDuration(f.text); err != nil {
				err = fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	if err == nil {
		err = in.Validate()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g.Add(in.Rule)
	w.WriteHeader(http.StatusCreated)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
